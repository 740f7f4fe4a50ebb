"""The way in over HTTP: systems and terminals sign what they send, citizens come with a token."""
