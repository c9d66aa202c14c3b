"""What masks, blur, noise and the like cost each network."""
