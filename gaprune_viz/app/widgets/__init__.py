"""What any part of the page is made of: elements, kinds of events, scripts, the style sheet."""
