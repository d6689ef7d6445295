"""English, French and German words by which the roles of labels, types and properties are guessed."""

from __future__ import annotations

import re
import unicodedata


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


USERS = _set(
    "user viewer customer reader listener member account buyer visitor subscriber player client shopper patron "
    "consumer student learner patient "
    "utilisateur utilisatrice lecteur lectrice cliente acheteur acheteuse spectateur spectatrice auditeur auditrice "
    "abonne abonnee membre compte visiteur visiteuse joueur joueuse etudiant eleve "
    "nutzer nutzerin benutzer benutzerin kunde kundin kaufer kauferin kaeufer leser leserin horer horerin hoerer "
    "zuschauer zuschauerin mitglied konto besucher besucherin abonnent abonnentin spieler spielerin schuler schueler"
)
EVENTS = _set(
    "watched rated bought purchased viewed read listened played interacted clicked liked ordered consumed visited "
    "borrowed enrolled streamed saw seen reviewed bookmarked asked "
    "lu vu regarde ecoute achete commande emprunte consulte loue aime joue "
    "gelesen gesehen angesehen gehort gehoert gekauft bestellt ausgeliehen entliehen bewertet besucht gespielt gemocht"
)
EVENT_NODES = _set(
    "order purchase transaction review rating visit invoice basket cart checkout loan booking "
    "commande achat avis visite facture panier emprunt reservation "
    "bestellung kauf bewertung besuch rechnung warenkorb ausleihe buchung"
)
ITEMS = _set(
    "movie film product item book track song article album game recipe course job show episode paper restaurant hotel "
    "video podcast question "
    "livre ouvrage produit morceau chanson jeu recette cours serie "
    "buch produkt artikel lied spiel rezept kurs folge"
)
TIMES = _set("at time timestamp date datetime ts when on day epoch created horodatage jour heure datum zeit zeitpunkt")
IDS = _set("id uuid guid key code iri uri isbn asin sku slug")
NAMES = (
    *("preflabel", "name", "title", "label", "displayname", "fullname", "caption", "headline", "term"),
    *("nom", "titre", "intitule", "libelle", "titel", "bezeichnung"),
)
UNLIKELY_NAMES = _set(
    "description summary text comment date time city town country region state address street zip phone fax mail "
    "url uri page image picture photo status type language gender currency password hash "
    "resume commentaire ville pays rue adresse telephone langue "
    "beschreibung kommentar datum ort stadt land strasse anschrift telefon bild sprache"
)
"""Words of properties that say something about a thing, and do not name it."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def words_of(name: str) -> list[str]:
    """Return the words of a label, a type or a property, in order, in small letters without accents."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    return [word.lower() for word in _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))]
