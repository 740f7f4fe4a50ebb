"""The routes of codes and links."""

from starlette.routing import BaseRoute

from producers.gateway.guard import BODY, Auth, Guarded, Rate
from producers.gateway.way_in import WayIn
from producers.qr import invitations
from producers.qr.pages import Pages
from producers.qr.sms.outbox import Outbox


def routes(way_in: WayIn) -> list[BaseRoute]:
    """All of `/r`, where the receipt comes first: its name is no token. And the invitations that lead there."""
    pages = Pages(way_in)
    form, refuse = "/r/{token}", pages.refuse
    return [
        *invitations.routes(way_in, _outbox(way_in)),
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
        Guarded(way_in, f"{form}/thanks", pages.thanks, auth=Auth.TOKEN, rate=Rate.PAGE, refuse=refuse),
    ]


def _outbox(way_in: WayIn) -> Outbox | None:
    """For text messages, if there is somebody to hand them to; it runs while the gateway is served."""
    webhook = way_in.settings.gateway.sms_webhook.get_secret_value()
    if not webhook:
        return None
    outbox = Outbox(way_in.settings.gateway.spool_dir, webhook, way_in.sealer, way_in.clock)
    way_in.beside.append(outbox)
    return outbox
