"""What the page is made of: its data, its sections, its style sheet and its script."""
