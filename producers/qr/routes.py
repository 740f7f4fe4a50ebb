"""The routes of codes and links."""

from starlette.routing import BaseRoute

from producers.gateway.guard import BODY, Auth, Guarded, Rate
from producers.gateway.way_in import WayIn
from producers.qr.pages import Pages


def routes(way_in: WayIn) -> list[BaseRoute]:
    """All of `/r`. The receipt comes first: its name is no token."""
    pages = Pages(way_in)
    form, refuse = "/r/{token}", pages.refuse
    return [
        Guarded(way_in, "/r/receipt", pages.receipt, auth=Auth.PUBLIC, rate=Rate.ADDRESS, refuse=refuse),
        Guarded(way_in, form, pages.form, auth=Auth.TOKEN, rate=Rate.ADDRESS, refuse=refuse),
        Guarded(
            way_in,
            form,
            pages.submit,
            auth=Auth.TOKEN,
            rate=Rate.TOKEN,
            body=BODY,
            methods=["POST"],
            refuse=refuse,
        ),
        Guarded(way_in, f"{form}/thanks", pages.thanks, auth=Auth.TOKEN, rate=Rate.ADDRESS, refuse=refuse),
    ]
