"""Invitations by text message: kept on disk, sealed, until the county's sender of messages has taken them."""
