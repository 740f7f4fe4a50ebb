"""Codes on walls and links in hand: tokens printed, the page behind them, invitations to review a case."""
