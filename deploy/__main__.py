"""`python -m deploy` is `hcp`: how the supervisor starts commands of its own version."""

from deploy.cli import main

main()
