"""People and hospitals who do not exist, drawn from a seed, with names in the scripts that DICOM carries."""

import random
from dataclasses import dataclass

#: Family and given names in Latin letters, rare enough never to be part of a word.
_FAMILY_NAMES = """
    Zeltkovic Quarnstedt Brzozowicz Vandermolen Thistlewick Okonjobi Haverkampf Ymaltova Krasnopol Dovzhanec Pfaffelhuber
    Gwrthwynt Szymborzak Tervonkoski Ixtepanol Achterberg Wojtuniak Jankowitzer Ulvestadt Chrzanowa
    """
_GIVEN_NAMES = """
    Wilhelmina Ottoline Zbigniewa Perpetua Ysoldine Quirinia Thaddea Xaviera Brunhild Casimira Hjordis Fenella Jadwiga
    Leocadia Nikodema Rosamunda Walburga Dagnymara Eulaliane Gudrunna
    """
_FAMILY, _GIVEN = _FAMILY_NAMES.split(), _GIVEN_NAMES.split()

#: Names in other scripts, as (Specific Character Set, codec, name): PS3.5 Annexes H, I, J and beyond.
SCRIPTS = (
    ("\\ISO 2022 IR 87", "iso2022_jp", "Zeltyama^Hanabiko=薬師寺^花火子=やくしじ^はなびこ"),
    ("\\ISO 2022 IR 149", "euc_kr", "Quarnhong^Bongsuk=諸葛^奉淑=제갈^봉숙"),
    ("GB18030", "gb18030", "Ouyangzel^Xiaoqing=欧阳^晓晴"),
    ("ISO_IR 192", "utf-8", "Abdulqarim^Shahrazada=عبدالقاريم^شهرزادة"),
    ("ISO_IR 144", "iso8859_5", "Краснополь^Ярославна"),
    ("ISO_IR 126", "iso8859_7", "Παπαζελτος^Ευρυδικη"),
    ("ISO_IR 138", "iso8859_8", "זלטקוביץ^שפרינצה"),
    ("ISO_IR 100", "latin-1", "Müßigbrödt^Käthelinde"),
    ("ISO_IR 101", "iso8859_2", "Dvořáčková^Květoslava"),
    ("ISO_IR 148", "iso8859_9", "Gökçeyazıcı^Şehrazatgül"),
)
_STREETS = ("Kupferschmiedweg", "Windmolenstraat", "Ulitsa Lesorubov", "Larkspur Crescent", "Rue des Ebenistes")
_TOWNS = ("Oberhimmelsfurt", "Zandvoorderhoek", "Krasnozelsk", "Wickhamthorpe", "Saint-Quirinien")


@dataclass(frozen=True, kw_only=True)
class Person:
    """A patient, with everything a hospital writes down about one visit."""

    family: str
    given: str
    patient_id: str
    insurance: str
    birth_date: str
    study_date: str
    accession: str
    street: str
    town: str
    phone: str
    hospital: str
    ward: str
    physician: str
    operator: str
    mother: str
    station: str
    serial: str

    @property
    def name(self) -> str:
        """As a PN value."""
        return f"{self.family}^{self.given}"


def draw_person(rng: random.Random) -> Person:
    """Somebody new; numbers long enough never to occur by chance."""
    families = rng.sample(_FAMILY, 4)
    givens = rng.sample(_GIVEN, 4)
    town = rng.choice(_TOWNS)
    return Person(
        family=families[0],
        given=givens[0],
        patient_id=f"MRN{rng.randrange(10**8, 10**9)}",
        insurance=f"INS-{rng.randrange(10**9, 10**10)}",
        birth_date=f"{rng.randrange(1931, 1999)}{rng.randrange(1, 13):02}{rng.randrange(1, 28):02}",
        study_date=f"{rng.randrange(2012, 2024)}{rng.randrange(1, 13):02}{rng.randrange(1, 28):02}",
        accession=f"ACC{rng.randrange(10**7, 10**8)}",
        street=f"{rng.choice(_STREETS)} {rng.randrange(101, 999)}",
        town=town,
        phone=f"+49{rng.randrange(10**9, 10**10)}",
        hospital=f"Klinikum {town}",
        ward=f"Station {families[3]}",
        physician=f"{families[1]}^{givens[1]}^^Dr.",
        operator=f"{families[2]}^{givens[2]}",
        mother=f"{families[3]}^{givens[3]}",
        station=f"GATE{rng.randrange(10**5, 10**6)}",
        serial=f"SN{rng.randrange(10**8, 10**9)}",
    )
