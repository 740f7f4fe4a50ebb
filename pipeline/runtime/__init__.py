"""What every process of ours stands on: its log."""
