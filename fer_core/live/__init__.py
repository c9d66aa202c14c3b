"""A live stream: session, track, connection, alerts."""
