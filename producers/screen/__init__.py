"""The terminal at a window: a touch page that works without the net, and the calls that reach it."""
