"""Run by a Python that has pretix: a site in a folder, on SQLite, with one organizer and a token for its API.

Arguments: folder, port, token. The tables are made at once: pretix's own migrations take minutes. It serves until it is killed.
"""

import os
import sys
from pathlib import Path

ORGANIZER = "library"


class NoMigrations:
    def __contains__(self, application: object) -> bool:
        return True

    def __getitem__(self, application: object) -> None:
        return None


def configure(folder: Path, port: int) -> None:
    (folder / "data").mkdir()
    (folder / "pretix.cfg").write_text(f"""
[pretix]
url=http://127.0.0.1:{port}
datadir={folder / "data"}
[database]
backend=sqlite3
[django]
secret={"of-a-test-" * 5}
""")
    os.environ["PRETIX_CONFIG_FILE"] = str(folder / "pretix.cfg")
    os.environ["DJANGO_SETTINGS_MODULE"] = "pretix.settings"


def make(token: str) -> None:
    from django.core.management import call_command
    from django_scopes import scopes_disabled
    from pretix.base.models import Organizer

    call_command("migrate", run_syncdb=True, verbosity=0)
    with scopes_disabled():
        organizer = Organizer.objects.create(name="Library", slug=ORGANIZER)
        team = organizer.teams.create(
            name="Robots", all_events=True, all_event_permissions=True, all_organizer_permissions=True
        )
        team.tokens.create(name="test", token=token)


def serve(port: int) -> None:
    from django.core.servers.basehttp import WSGIServer, get_internal_wsgi_application, run

    run("127.0.0.1", port, get_internal_wsgi_application(), threading=True, server_cls=WSGIServer)


def main(folder: str, port: str, token: str) -> None:
    configure(Path(folder), int(port))
    import django
    from django.conf import settings

    settings.MIGRATION_MODULES = NoMigrations()
    django.setup()
    make(token)
    serve(int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
