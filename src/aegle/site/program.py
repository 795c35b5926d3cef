"""A site's program: opens its folder and ports, starts its doors and loops, stops them in order."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from aegle import __version__, access, durable, logs
from aegle.access import Act
from aegle.config import SiteConfig
from aegle.deid import Profile, Pseudonyms, Vault, standard
from aegle.deid.agreement import Agreements
from aegle.deid.ledger import Ledger
from aegle.deid.pixel_book import PixelBook
from aegle.deid.preview import Preview, preview
from aegle.deid.profile import configured, with_pixel_rules
from aegle.deid.report import report
from aegle.deid.second_look import SecondLook
from aegle.deid.value_book import ValueBook
from aegle.errors import NotFound
from aegle.intake.abreast import Abreast
from aegle.intake.admit import Admission, Intake, Settled
from aegle.intake.quarantine import Quarantine, Settlement
from aegle.intake.spool import Spool
from aegle.pages.servers import HttpServer
from aegle.site.admissions import Admissions
from aegle.site.contact import Contact
from aegle.site.endpoint import ArchiveEndpoint
from aegle.site.fates import Fates
from aegle.site.folder import SiteFolder
from aegle.site.grants import Revoked
from aegle.site.held_pictures import HeldPictures
from aegle.site.hospital import Hospital
from aegle.site.labels import LabelBook, LabelOutbox
from aegle.site.listeners import Doors
from aegle.site.loops import Loop
from aegle.site.pictures import Pictures
from aegle.site.site_ports import SitePorts
from aegle.site.state import SiteState
from aegle.site.studies import Studies

_MEGABYTE = 1_000_000


class SiteProgram:
    """One running site. Build it, `start`, and `stop`; everything it holds survives `kill -9` in between."""

    def __init__(self, name: str, config: SiteConfig, folder: SiteFolder, ports: SitePorts) -> None:
        self.name, self.config, self.folder, self.ports = name, config, folder, ports
        secrets = ports.secrets
        self.state = SiteState(folder.state)
        folder.tidy(keep={item.file for item in self.state.waiting_to_be_sent()})
        self._agreed = configured(config.deid)
        Agreements(folder.agreements).require(self._agreed, name)
        self.pixel_rules = PixelBook(folder.pixel_rules)
        self.pseudonyms = self._agreed.naming(Pseudonyms.from_secret(secrets.get("pseudonym-secret")))
        self.vault = Vault(folder.vault, secrets.get("vault-key"), *secrets.versions("vault-key")[1:])
        self.values = ValueBook(folder.values)
        self.ledger = Ledger(folder.reports)
        self.spool = Spool(folder.spool, config.door.max_instance_mb * _MEGABYTE)
        self.quarantine = Quarantine(folder.quarantine, secrets.get("quarantine-key"))
        self.studies = Studies(
            site=name,
            kind=config.kind,
            quiet_seconds=config.door.quiet_seconds,
            spool=self.spool,
            quarantine=self.quarantine,
            archive=ports.archive,
            state=self.state,
            is_own_result=self.vault.is_own_result,
        )
        self.pictures = Pictures(archive=ports.archive)
        self.held_pictures = HeldPictures(quarantine=self.quarantine, work=folder.work)
        self.labels = LabelBook(folder.labels, name, secrets.get("pseudonym-secret"))
        self.ae_title = config.door.ae_title or name.upper()[:16]
        self.fates = Fates()
        self.second_look = SecondLook(self._agreed.looking)
        self.intake = self._intake()
        self.abreast = Abreast(self.intake)
        self.doors = Doors(
            name,
            config,
            title=self.ae_title,
            port=ports.door_port,
            spool=self.spool,
            folder=folder,
            archive=ports.archive,
            audit=ports.audit,
            arrived=lambda: self.wake("intake"),
        )
        self.door = self.doors.door
        self._loops = self._make_loops()
        self.endpoint = ArchiveEndpoint(
            site=name,
            archive=ports.archive,
            audit=ports.audit,
            key=secrets.get("grant-key"),
            folder=folder.storing,
            part_max_bytes=config.door.max_instance_mb * _MEGABYTE,
            revoked=Revoked(folder.revoked),
        )
        self._servers = [HttpServer(self.endpoint.application(), "127.0.0.1", ports.archive_port)]

    def serve(self, application: Any) -> None:
        """Add the pages, before `start`."""
        self._servers.append(HttpServer(application, self.config.pages.bind, self.ports.pages_port))

    def start(self) -> None:
        """Open the doors last, when everything behind them runs. Raises Overloaded when a port is taken."""
        self.ports.audit.append(access.event(Act.SITE_PROCESS_START, site=self.name, software=__version__))
        self.doors.recover()
        if self.config.door.compare_one_in and not standard.installed():
            logs.warning("dciodvfy is not installed: no output is compared by it", site=self.name)
        for server in self._servers:
            server.start()
        for loop in self._loops.values():
            loop.start()
        self.doors.start()
        logs.info("site is up", site=self.name, port=self.ports.door_port)

    def stop(self) -> None:
        """Close the doors first, then let every step end."""
        self.doors.stop()
        for loop in self._loops.values():
            loop.stop()
        for server in self._servers:
            server.stop()
        self.abreast.close()
        self.pictures.close()
        self.endpoint.close()
        self.second_look.close()
        self.held_pictures.close()
        self.labels.close()
        self.vault.close()
        self.values.close()
        self.ledger.close()
        self.state.close()

    def preview(self, source: Path) -> Preview:
        """What would become of a file here, now; nothing is kept of it."""
        values, work = self.values.current(), durable.private_folder(self.folder.work)
        return preview(source, self.profile(), self.pseudonyms, values, work, self.second_look)

    def report(self, study_alias: str) -> dict[str, Any]:
        """What de-identification did to a study. Raises NotFound for one of which nothing is written down."""
        with closing(Ledger(self.folder.reports, read_only=True)) as ledger:
            items = list(ledger.all(study_alias)) if study_alias else []
        if not items:
            raise NotFound("nothing of this study is written down here")
        return report(items)

    def wake(self, loop: str) -> None:
        """There is something to do for one of the loops."""
        self._loops[loop].wake()

    def profile(self) -> Profile:
        """What de-identification does now, with the site's pixel rules."""
        return with_pixel_rules(self._agreed, self.pixel_rules.rules())

    # --- parts

    def _intake(self) -> Intake:
        return Intake(
            site=self.name,
            spool=self.spool,
            work=self.folder.work,
            profile=self.profile,
            pseudonyms=self.pseudonyms,
            vault=self.vault,
            values=self.values,
            archive=self.ports.archive,
            quarantine=self.quarantine,
            ledger=self.ledger,
            audit=self.ports.audit,
            second_look=self.second_look,
            settled=self._settled,
            compare_one_in=self.config.door.compare_one_in,
        )

    def _settled(self, admission: Admission) -> None:
        self.fates.note(admission)
        if admission.study_alias and admission.settled in (Settled.ADMITTED, Settled.REPEATED, Settled.HELD):
            self.state.touch(admission.study_alias)

    def _act_on_decisions(self) -> bool:
        """What a page or a command decided about held objects, and what waited for words, goes back to the spool; its
        study is not complete meanwhile."""
        for entry in self.intake.decided():
            self.quarantine.settle(entry.entry_id, Settlement.RELEASED, by="its words were decided")
        due = self.quarantine.due()
        for entry in due:
            if entry.study_alias:
                self.state.touch(entry.study_alias)
            self.quarantine.give_back(entry, self.spool)
        if due:
            self.wake("intake")
        return bool(due)

    def _make_loops(self) -> dict[str, Loop]:
        outbox = LabelOutbox(site=self.name, book=self.labels, hub=self.ports.hub, audit=self.ports.audit)
        contact = Contact(
            folder=self.folder, ports=self.ports, quarantine=self.quarantine, spool=self.spool, state=self.state
        )
        admissions = Admissions(
            spool=self.spool, intake=self.intake, abreast=self.abreast, receipts=self.doors.receipts.write
        )
        steps: dict[str, tuple[Callable[[], bool], float]] = {
            "intake": (admissions.admit_waiting, 0.5),
            "held": (self._act_on_decisions, 2.0),
            "studies": (self.studies.close_complete, 0.25),
            "hello": (contact.say_hello, 10.0),
            "heads": (contact.exchange_heads, 30.0),
            "labels": (outbox.send, 2.0),
        } | self.doors.steps()
        if self.ports.copy_audit is not None:
            steps["audit copy"] = (self.ports.copy_audit, 10.0)
        if folder := self.config.door.watch_folder:
            durable.private_folder(folder)
            steps["watch"] = (lambda: self.door.sweep(folder), 2.0)
        if self.config.kind == "hospital":
            steps |= self._hospital().steps()
        return {name: Loop(name, step, idle) for name, (step, idle) in steps.items()}

    def _hospital(self) -> Hospital:
        return Hospital(
            site=self.name,
            config=self.config,
            title=self.ae_title,
            folder=self.folder,
            ports=self.ports,
            state=self.state,
            studies=self.studies,
            vault=self.vault,
            pseudonyms=self.pseudonyms,
            pictures=self.pictures,
        )
