"""Who may send to the gateway, for which place, and with which keys."""
