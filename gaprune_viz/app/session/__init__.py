"""One open page: who looks, at what, what they may do and see, and the work that is done for them."""
