"""What every HTTP application of ours stands on: how it is served, who may connect, by which name it is called."""
