from fer_core.evaluation.video_benchmark import video_speed


def test_speed_with_and_without_the_film_and_memory_of_two_lengths_are_told():
    table, *notes = video_speed("senet", short=0.02, long=0.04).split("\nwanted")
    assert [line.split()[:3] for line in table.split("\n")[1:]] == [
        ["0.02", "no", "30"],
        ["0.02", "yes", "30"],
        ["0.04", "no", "60"],
    ]
    assert "more than 0.02" in notes[0]
