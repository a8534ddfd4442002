"""Import cycles are found in made-up crates, however a module names another one."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from architecture.cycles import cycles


class CyclesTest(unittest.TestCase):
    def cycles(self, **files: str) -> list[str]:
        """Returns the cycles of a crate, whose files are given with __ for /."""
        with tempfile.TemporaryDirectory() as folder:
            for name, code in files.items():
                path = Path(folder, f"{name.replace('__', '/')}.rs")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(code)
            found = cycles(Path(folder, "lib.rs"))
        return ["->".join("::".join(module) for module in cycle) for cycle in found]

    def test_two_modules_that_use_each_other(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b;", a="use crate::b::B; pub struct A;", b="use crate::a::A; pub struct B;"), ["a->b"])

    def test_one_direction_is_allowed(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b; pub use a::A;", a="use crate::b::{self, B};", b="use std::fmt; pub struct B;"), [])

    def test_inline_paths_count(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b;", a="fn f() { crate::b::g() }", b="pub fn g() -> super::a::A { todo!() }"), ["a->b"])

    def test_nested_trees_and_aliases_are_expanded(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b; mod c;", a="use crate::{b::{self as other, B}, c::C};", b="pub struct B;",
            c="use crate::{\n    a::A as Renamed,\n};"), ["a->c"])

    def test_longer_cycles_are_found_through_folders(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b;", a="pub mod x; pub mod y;", a__x="use super::y::Y;", a__y="use crate::b::B;",
            b="use crate::a::x::X;"), ["a::x->a::y->b"])

    def test_parent_and_child_that_use_each_other(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a;", a="mod x; struct A; fn f() { x::g() }", a__x="use super::A; pub fn g() {}"), ["a->a::x"])

    def test_re_exported_names_lead_to_their_module(self) -> None:
        # The sibling uses a::x by the name that its parent re-exports, which is no import of the parent.
        self.assertEqual(self.cycles(
            lib="mod a;", a="mod x; mod y; pub use x::X; pub use y::Y;", a__x="pub struct X;",
            a__y="use super::X; pub struct Y(X);"), [])
        self.assertEqual(self.cycles(
            lib="mod a; mod b; pub use b::B;", a="use crate::B;", b="use crate::a::A; pub struct B;"), ["a->b"])

    def test_tests_comments_and_strings_do_not_count(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b;", a="use crate::b::B;",
            b="""
                /// See [`crate::a::A`].
                pub const B: &str = "crate::a::A"; /* crate::a::A */
                #[cfg(test)]
                use crate::a::A;
                #[cfg(test)]
                #[expect(unused)]
                mod tests { use crate::a::A; fn f() { if true { } } }
                #[cfg(test)]
                mod more_tests;
            """, b__more_tests="use crate::a::A;"), [])

    def test_super_of_an_inline_module_is_its_file(self) -> None:
        self.assertEqual(self.cycles(
            lib="mod a; mod b;", a="mod inner { use super::A; } pub struct A;", b="use crate::a::A;"), [])


if __name__ == "__main__":
    unittest.main()
