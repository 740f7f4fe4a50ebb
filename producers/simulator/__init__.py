"""`hcp simulate`: a county in miniature that sends its plan by the ways in that everybody uses, and knows what must come of it."""
