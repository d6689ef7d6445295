"""Write the demo data set from the hand-written facts next to this file.

``python generate.py`` writes the five ``demo.*`` files; ``python generate.py --check`` compares them with what
would be written and exits with 1 if any differs. The result depends on nothing but the files in ``facts/`` and
the constants below. README.md describes the simulation.
"""

import argparse
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
Row = dict[str, str]
Triple = tuple[str, str, str]

AUTHOR = "book.written_work.author"
GENRE = "book.book.genre"
YEAR = "book.written_work.date_of_first_publication"
LANGUAGE = "book.written_work.original_language"
SERIES = "book.written_work.part_of_series"
PREVIOUS = "book.written_work.previous_in_series"
NEXT = "book.written_work.next_in_series"
SUBJECT = "book.written_work.subject"
SETTING = "book.book.setting"
CHARACTER = "book.book.character"
BIRTHPLACE = "people.person.place_of_birth"
NATIONALITY = "people.person.nationality"
MOVEMENT = "influence.author.movement"
INFLUENCED_BY = "influence.influence_node.influenced_by"
SPOUSE = "people.person.spouse"
CONTAINED_BY = "location.location.containedby"

SEED = 2308
READERS = 300
EVENTS = (12, 40)  # fewest and most events of a reader
FACETS_PER_READER = 6
MIN_BOOKS_PER_FACET = 3
ZIPF_EXPONENT = 0.8
MEMORY = 3  # how many of the last books a step looks back on
DECAY = 0.5  # a book read one step earlier counts half as much
KEEP_MOOD = 0.25
MOODS = {"series": 0.25, "author": 0.20, "facts": 0.35, "popular": 0.12, "noise": 0.08}
FACET_WEIGHT = {"genre": 1.0, "author": 1.0, "series": 1.0, "movement": 0.5, "country": 0.5}
TASTE_GAIN = 6.0
MAX_GAP_DAYS = 14
FIRST_READER = "Ada Finch"
FIRST_NAMES = (
    "Abel Agnes Alma Amos Anil Astrid Basil Bea Bruno Carmen Cleo Cyrus Dora Edwin Elena Esme Farah Felix Freya "
    "Gideon Greta Hugo Ida Imran Ines Iris Jonas Kamal Kira Leif Lena Lucian Maeve Marta Milo Nadia Nils Noor "
    "Olive Omar Opal Otto Petra Quinn Rafael Rosa Ruben Sabine Silas Tamar Theo Una Vera Wanda Yusuf Zora"
)
SURNAMES = (
    "Acker Alder Arkwell Barlow Birch Brandt Calder Castel Corvin Dalca Dunmore Eklund Fairley Fenn Garrow Gill "
    "Hallam Hazel Holm Ibarra Jessop Kestrel Kline Lark Linden Lomas Marsh Mercer Moreno Nair Noble Oakes Okoro "
    "Orrell Penn Pike Quill Rask Reeve Rowan Salter Sato Sedge Starling Tamm Thorne Umber Vale Wren Yarrow"
)


@dataclass
class Graph:
    """Triples in the order they are stated, and a name for every entity."""

    triples: list[Triple] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def entity(self, kind: str, name: str) -> str:
        """Return the id for a name of a kind, and note the name."""
        key = f"{kind}:{slug(name)}"
        if self.names.setdefault(key, name) != name:
            raise ValueError(f"two names share the id {key}: {self.names[key]!r} and {name!r}")
        return key

    def add(self, head: str, relation: str, tails: Iterable[str]) -> None:
        """State a relation between a head and each tail."""
        self.triples.extend((head, relation, tail) for tail in tails)

    def tails(self, relation: str) -> dict[str, list[str]]:
        """Return the tails of a relation by head."""
        found: dict[str, list[str]] = {}
        for head, stated, tail in self.triples:
            if stated == relation:
                found.setdefault(head, []).append(tail)
        return found


def slug(name: str) -> str:
    """Fold a name to lower-case ASCII words joined by hyphens."""
    special = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss", "æ": "ae", "'": "", "’": ""})
    plain = unicodedata.normalize("NFKD", name.translate(special)).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in plain.lower()).split())


def read_rows(name: str) -> list[Row]:
    """Read one tab-separated fact file; every row has every column."""
    header, *lines = (HERE / "facts" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    columns = header.split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]
    keys = [row[columns[0]] for row in rows]
    if name != "series" and len(keys) != len(set(keys)):
        raise ValueError(f"facts/{name}.tsv names something twice")
    return rows


def split(cell: str) -> list[str]:
    """Split a cell with several names."""
    return [part.strip() for part in cell.split(";") if part.strip()]


def place_ids(graph: Graph, rows: list[Row]) -> dict[str, str]:
    """Give every place and country its id."""
    return {row["name"]: graph.entity(row["kind"], row["name"]) for row in rows}


def add_books(graph: Graph, rows: list[Row], places: dict[str, str]) -> None:
    """State what is known of each book."""
    for row in rows:
        book = graph.entity("book", row["title"])
        kinds = (
            (AUTHOR, "person", "author"),
            (GENRE, "genre", "genres"),
            (YEAR, "year", "year"),
            (LANGUAGE, "language", "language"),
            (SUBJECT, "subject", "subjects"),
        )
        for relation, kind, column in kinds:
            graph.add(book, relation, [graph.entity(kind, name) for name in split(row[column])])
        graph.add(book, SETTING, [places[name] for name in split(row["settings"])])
        graph.add(book, CHARACTER, [graph.entity("character", name) for name in split(row["characters"])])


def add_series(graph: Graph, rows: list[Row]) -> None:
    """State series, and neighbours where two consecutive numbers are both present."""
    numbered: dict[tuple[str, int], str] = {}
    for row in rows:
        book = f"book:{slug(row['title'])}"
        if book not in graph.names:
            raise ValueError(f"facts/series.tsv names an unknown book: {row['title']}")
        graph.add(book, SERIES, [graph.entity("series", row["series"])])
        if row["number"]:
            numbered[row["series"], int(row["number"])] = book
    for (series, number), book in numbered.items():
        after = numbered.get((series, number + 1))
        if after:
            graph.add(book, NEXT, [after])
            graph.add(after, PREVIOUS, [book])


def add_people(graph: Graph, rows: list[Row], places: dict[str, str]) -> None:
    """State what is known of each person."""
    for row in rows:
        person = graph.entity("person", row["name"])
        graph.add(person, BIRTHPLACE, [places[name] for name in split(row["birthplace"])])
        graph.add(person, NATIONALITY, [places[name] for name in split(row["nationality"])])
        graph.add(person, MOVEMENT, [graph.entity("movement", name) for name in split(row["movements"])])
        graph.add(person, INFLUENCED_BY, [graph.entity("person", name) for name in split(row["influenced_by"])])
        graph.add(person, SPOUSE, [graph.entity("person", name) for name in split(row["spouse"])])


def add_places(graph: Graph, rows: list[Row], places: dict[str, str]) -> None:
    """State where each place lies that a book, a person or another such place mentions."""
    within = {places[row["name"]]: [places[name] for name in split(row["within"])] for row in rows}
    mentioned = {tail for _, _, tail in graph.triples if tail in within}
    open_ends = list(mentioned)
    while open_ends:
        new = set(within[open_ends.pop()]) - mentioned
        mentioned |= new
        open_ends.extend(new)
    for place, around in within.items():
        graph.add(place, CONTAINED_BY, around if place in mentioned else [])


def build_graph() -> Graph:
    """Turn the fact files into one graph; places that nothing mentions are left out."""
    graph = Graph()
    place_rows = read_rows("places")
    places = place_ids(graph, place_rows)
    add_books(graph, read_rows("books"), places)
    add_series(graph, read_rows("series"))
    add_people(graph, read_rows("authors"), places)
    add_places(graph, place_rows, places)
    if len(set(graph.triples)) != len(graph.triples):
        raise ValueError("a fact is stated twice")
    used = {end for head, _, tail in graph.triples for end in (head, tail)}
    graph.names = {key: name for key, name in sorted(graph.names.items()) if key in used}
    return graph


def countries(graph: Graph, places: Iterable[str]) -> set[str]:
    """Follow containment from places up to the countries they lie in."""
    within = graph.tails(CONTAINED_BY)
    found, open_ends = set(), list(places)
    while open_ends:
        place = open_ends.pop()
        if place.startswith("country:"):
            found.add(place)
        else:
            open_ends.extend(within.get(place, []))
    return found


def facets_of(graph: Graph, book: str) -> dict[str, str]:
    """Return the facets of a book, each with its kind."""
    authors = graph.tails(AUTHOR).get(book, [])
    movements = graph.tails(MOVEMENT)
    found = dict.fromkeys(graph.tails(GENRE).get(book, []), "genre")
    found |= dict.fromkeys(authors, "author")
    found |= dict.fromkeys(graph.tails(SERIES).get(book, []), "series")
    found |= {key: "movement" for author in authors for key in movements.get(author, [])}
    found |= dict.fromkeys(sorted(countries(graph, graph.tails(SETTING).get(book, []))), "country")
    return found


class Dice:
    """Draws made from uniform numbers only, so that they do not change with the version of numpy."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def below(self, count: int) -> int:
        """Draw a whole number from 0 to count - 1."""
        return min(int(self.rng.random() * count), count - 1)

    def pick(self, weights: np.ndarray) -> int:
        """Draw an index in proportion to its weight."""
        sums = np.cumsum(weights)
        drawn = int(np.searchsorted(sums, self.rng.random() * sums[-1], side="right"))
        return min(drawn, int(np.flatnonzero(weights)[-1]))

    def sample(self, count: int, size: int) -> list[int]:
        """Draw different numbers below count, in random order."""
        return [int(index) for index in np.argsort(self.rng.random(count), kind="stable")[:size]]

    def dirichlet(self, size: int) -> np.ndarray:
        """Draw shares that add up to one from the flat Dirichlet distribution."""
        parts: np.ndarray = -np.log(1.0 - self.rng.random(size))
        parts /= parts.sum()
        return parts


class World:
    """What the simulated readers see of the books: facets, series, authors and popularity."""

    def __init__(self, graph: Graph, books: Sequence[str], dice: Dice) -> None:
        self.count = len(books)
        index = {book: number for number, book in enumerate(books)}
        facets = [facets_of(graph, book) for book in books]
        self.kinds = {key: kind for of_book in facets for key, kind in of_book.items()}
        self.facets = sorted(self.kinds)
        column = {key: number for number, key in enumerate(self.facets)}
        self.has = np.zeros((self.count, len(self.facets)))
        for number, of_book in enumerate(facets):
            self.has[number, [column[key] for key in of_book]] = 1.0
        self.size = self.has.sum(axis=0)
        self.weight = np.array([FACET_WEIGHT[self.kinds[key]] for key in self.facets]) / np.sqrt(self.size)
        self.common = np.flatnonzero(self.size >= MIN_BOOKS_PER_FACET)
        self.is_author = np.array([self.kinds[key] == "author" for key in self.facets])
        self.next = {index[a]: index[b[0]] for a, b in graph.tails(NEXT).items()}
        rank = np.empty(self.count)
        rank[dice.sample(self.count, self.count)] = np.arange(1, self.count + 1)
        self.popularity = rank**-ZIPF_EXPONENT


class Reader:
    """One simulated reader: a taste, a mood and the books read so far."""

    def __init__(self, world: World, dice: Dice) -> None:
        self.world, self.dice = world, dice
        chosen = world.common[dice.sample(len(world.common), FACETS_PER_READER)]
        self.taste = np.zeros(len(world.facets))
        self.taste[chosen] = dice.dirichlet(FACETS_PER_READER)
        self.unread = np.ones(world.count)
        self.read: list[int] = []
        self.mood = ""

    def take(self, book: int) -> None:
        """Read a book."""
        self.read.append(book)
        self.unread[book] = 0.0

    def first(self) -> int:
        """Draw the first book, by taste and popularity."""
        return self.dice.pick((0.05 + self.world.has @ self.taste) * self.world.popularity)

    def turn_mood(self) -> None:
        """Keep the mood, or draw a new one."""
        if not self.mood or self.dice.rng.random() >= KEEP_MOOD:
            self.mood = list(MOODS)[self.dice.pick(np.array(list(MOODS.values())))]

    def step(self) -> int:
        """Draw the next book in the mood of the moment."""
        self.turn_mood()
        if self.mood == "series":
            after = self.world.next.get(self.read[-1])
            return after if after is not None and self.unread[after] else self.by_facts()
        if self.mood == "author":
            return self.by_author()
        if self.mood == "facts":
            return self.by_facts()
        return self.dice.pick(self.unread * self.world.popularity if self.mood == "popular" else self.unread)

    def by_author(self) -> int:
        """Draw another book by an author of the last books; by facts if there is none."""
        written = self.world.has[:, self.world.is_author]
        shared = (written @ written[self.read[-MEMORY:]].sum(axis=0)) > 0
        weights = shared * self.unread * self.world.popularity
        return self.dice.pick(weights) if weights.any() else self.by_facts()

    def by_facts(self) -> int:
        """Draw a book that shares facts with the last books; any by popularity if none does."""
        recent = self.read[-1 : -MEMORY - 1 : -1]
        echo = sum((DECAY**age * self.world.has[book] for age, book in enumerate(recent)), start=np.zeros(1))
        pull = echo * self.world.weight * (1.0 + TASTE_GAIN * self.taste)
        weights = (self.world.has @ pull) * np.sqrt(self.world.popularity) * self.unread
        return self.dice.pick(weights if weights.any() else self.unread * self.world.popularity)


def reader_names(dice: Dice) -> list[str]:
    """Return different invented names, the fixed one first."""
    pairs = [f"{first} {last}" for first in FIRST_NAMES.split() for last in SURNAMES.split()]
    return [FIRST_READER, *(pairs[index] for index in dice.sample(len(pairs), READERS - 1))]


def simulate(graph: Graph, books: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return (reader, item number, day) for every event."""
    dice = Dice(SEED)
    world = World(graph, books, dice)
    events = []
    for name in reader_names(dice):
        reader = Reader(world, dice)
        length = EVENTS[0] + dice.below(EVENTS[1] - EVENTS[0] + 1)
        day = dice.below(365)
        for number in range(length):
            book = reader.step() if number else reader.first()
            reader.take(book)
            events.append((name, book, day))
            day += 1 + dice.below(MAX_GAP_DAYS)
    return events


def table(header: str, rows: Iterable[Sequence[str]]) -> str:
    """Join rows to the text of an atomic file."""
    return "\n".join([header.replace(" ", "\t"), *("\t".join(row) for row in rows)]) + "\n"


def build_files() -> dict[str, str]:
    """Return the text of every generated file by its name."""
    graph = build_graph()
    linked = [row["title"] for row in read_rows("books")]
    titles = linked + [row["title"] for row in read_rows("unlinked")]
    items = [f"b{number:03d}" for number in range(1, len(titles) + 1)]
    books = [f"book:{slug(title)}" for title in titles]
    events = simulate(graph, books)
    return {
        "demo.kg": table("head_id:token relation_id:token tail_id:token", graph.triples),
        "demo.ent": table("entity_id:token name:token_seq", graph.names.items()),
        "demo.item": table("item_id:token title:token_seq", zip(items, titles, strict=True)),
        "demo.link": table("item_id:token entity_id:token", zip(items, books[: len(linked)], strict=False)),
        "demo.inter": table(
            "user_id:token item_id:token rating:float timestamp:float",
            ((name, items[book], "1.0", str(day)) for name, book, day in events),
        ),
    }


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description="Write the demo data set from the facts next to this file.")
    parser.add_argument("--check", action="store_true", help="compare with the files on disk; write nothing")
    check = parser.parse_args().check
    different = []
    for name, text in build_files().items():
        path = HERE / name
        if check:
            if not path.is_file() or path.read_bytes() != text.encode():
                different.append(name)
        else:
            path.write_bytes(text.encode())
    if different:
        print("differs from what generate.py would write: " + ", ".join(different), file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
