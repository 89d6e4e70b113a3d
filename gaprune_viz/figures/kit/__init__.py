"""What all figures share: frame, colours, numbers for people, small HTML panels."""
