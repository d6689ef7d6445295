"""The conformance suite of template packs: subclass :class:`TemplatePackSuite` in a test file and name your pack.

::

    class TestMine(TemplatePackSuite):
        pack = "path/to/my_pack"
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from kptoolkit.prompts import Slot, TemplatePack, check_pack, clean_name
from kptoolkit.prompts.templating.triplet_sentences import HOSTILE_NAMES

UNKNOWN_RELATIONS = ("P57", "some.base.likedMostBy", "http://example.org/ns#liked_most_by", "`x`.{{ head }}", "")


class TemplatePackSuite:
    """Tests that every template pack must pass.

    Attributes:
        pack: Name or folder of the pack under test.
        mpp_templates: Least number of MPP templates.
        keeps_names: Whether every sentence contains the names unchanged; false for packs whose filters change names.
    """

    pack: ClassVar[str | Path]
    mpp_templates: ClassVar[int] = 11
    keeps_names: ClassVar[bool] = True

    def load(self) -> TemplatePack:
        """Load the pack under test."""
        return TemplatePack.load(self.pack, trust_code=True)

    def sentences(self, pack: TemplatePack) -> Iterator[tuple[str, bool, int]]:
        """Yield ``(relation, inverse, variant)`` of every sentence, including those of unknown relations."""
        for relation in (*pack.relations, *pack.aliases, *UNKNOWN_RELATIONS):
            for inverse in (False, True):
                for variant in range(pack.variants(relation, inverse)):
                    yield relation, inverse, variant

    def test_has_no_mistakes(self) -> None:
        assert [str(finding) for finding in check_pack(self.pack, trust_code=True)] == []

    def test_every_relation_has_sentences_in_both_directions(self) -> None:
        for relation, templates in self.load().relations.items():
            assert templates.forward, relation
            assert templates.inverse, relation

    def test_no_sentence_is_repeated(self) -> None:
        pack = self.load()
        for relation, templates in pack.relations.items():
            for texts in (templates.forward, templates.inverse):
                assert len(set(texts)) == len(texts), relation
        assert len({template.text for template in pack.mpp}) == len(pack.mpp)

    def test_hostile_names_are_unchanged(self) -> None:
        pack = self.load()
        for number, head in enumerate(HOSTILE_NAMES):
            tail = HOSTILE_NAMES[number - 1]
            for relation, inverse, variant in self.sentences(pack):
                text = pack.sentence(head, relation, tail, inverse=inverse, variant=variant)
                assert len(text.splitlines()) == 1, text
                if self.keeps_names:
                    assert clean_name(head) in text, (relation, text)
                    assert clean_name(tail) in text, (relation, text)

    def test_segments_form_the_sentence(self) -> None:
        pack = self.load()
        for relation, inverse, variant in self.sentences(pack):
            segments = pack.render("Alpha", relation, "Beta", inverse=inverse, variant=variant)
            text = pack.sentence("Alpha", relation, "Beta", inverse=inverse, variant=variant)
            assert "".join(segment.text for segment in segments) == text
            if self.keeps_names:
                assert {(s.text, s.role) for s in segments if s.role != "text"} == {("Alpha", "head"), ("Beta", "tail")}

    def test_sentences_of_unknown_relations_do_not_contain_the_id(self) -> None:
        pack = self.load()
        for relation in filter(None, UNKNOWN_RELATIONS):
            assert not pack.has(relation) or relation in pack.aliases
            assert relation not in pack.sentence("Alpha", relation, "Beta")
            assert relation not in pack.sentence("Alpha", relation, "Beta", inverse=True)

    def test_there_are_mpp_templates_for_every_use(self) -> None:
        pack = self.load()
        assert len(pack.mpp) >= self.mpp_templates
        assert {template.split for template in pack.mpp} == {"train", "held_out"}
        for split in ("train", "held_out"):
            assert any(not template.has_user for template in pack.mpp if template.split == split), split
        assert sum(not template.has_user for template in pack.mpp) >= 2

    def test_mpp_templates_contain_their_values(self) -> None:
        for template in self.load().mpp:
            assert template.parts.count(Slot.HISTORY) == template.parts.count(Slot.MASK) == 1, template.id
            history = [f"«{clean_name(name)}»" for name in HOSTILE_NAMES]
            text = template.render(history, user="Ann", mask="<mask>")
            places = [text.index(name) for name in history]
            assert places == sorted(places), template.id
            assert "<mask>" in text, template.id
            assert ("Ann" in text) == template.has_user, template.id

    def test_a_saved_pack_loads_equal(self, tmp_path: Path) -> None:
        pack = self.load()
        assert TemplatePack.load(pack.save(tmp_path / "saved"), trust_code=True) == pack
