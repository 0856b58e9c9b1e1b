"""What Python programs call, the command line among them; ``sqlpair`` names it."""
