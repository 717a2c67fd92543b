"""What the timeline shows, measured and placed before anything is drawn; see `compose`."""
