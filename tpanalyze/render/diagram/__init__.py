"""What the diagram of a report shows, decided before anything is drawn; see `compose`."""
