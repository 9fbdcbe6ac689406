"""`digest serve`."""

from __future__ import annotations

import click

from digest.cli.app import App, Command, with_app


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 is all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 takes any.")
@click.option(
    "--work/--no-work", default=True, help="Also mail letters and do what is due; without, another process must."
)
@with_app
def serve(app: App, host: str, port: int, work: bool) -> None:
    """Serve the readers' site, the sign-up form and the API; mail letters as they come due."""
    # Here, because no other command should wait for half a second until they are loaded.
    import uvicorn

    from digest.web.app import create_app

    settings = app.settings
    made = create_app(settings, work=work)
    app.note(f"serving {settings.base_url} on http://{host}:{port}; Ctrl-C stops it")
    uvicorn.run(
        made,
        host=host,
        port=port,
        log_level="info" if app.verbose else "warning",
        access_log=app.verbose,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
