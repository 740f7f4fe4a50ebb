"""Dead letters: which ones, what they say, and sending them through the log again."""
