"""One builder per tab: it lays the tab out and wires what belongs to it alone."""
