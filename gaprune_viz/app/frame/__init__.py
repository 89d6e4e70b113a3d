"""What stands around the tabs: the state of a page, its bars, what follows a move, heavy work, the address."""
