"""An installed ktrial, its Debian packages, and odd places and environments to run it in: it works, or
says why in one sentence with exit status 128.

    places_test.py BUILD-FOLDER"""

import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop()).resolve()
LARGEST = 15_000_000  # bytes of all that the package installs


class Installed(unittest.TestCase):
    """ktrial below cls.prefix, a folder with a blank in its name."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.prefix = cls.folder / "a prefix"
        cls.install()
        cls.program = cls.prefix / "bin" / "ktrial"
        cls.share = cls.prefix / "share"

    def run_it(self, *arguments, timeout=60, without=(), **changes):
        environment = {key: value for key, value in os.environ.items() if key not in without}
        return subprocess.run([self.program, *arguments], capture_output=True, text=True,
                              timeout=timeout, env={**environment, **changes})


class PlacesTest(Installed):
    @classmethod
    def install(cls):
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True,
                       capture_output=True, timeout=100)

    def refused(self, result, *words):
        self.assertEqual(result.returncode, 128, result.stderr)
        self.assertLessEqual(len(result.stderr.splitlines()), 2, result.stderr)  # with its hint
        for word in words:
            self.assertIn(word, result.stderr)

    @unittest.skipUnless(shutil.which("readelf"), "no readelf")
    def test_the_program_is_stripped(self):
        sections = subprocess.run(["readelf", "-S", "-W", self.program], capture_output=True,
                                  text=True, timeout=60).stdout
        self.assertIn(".text", sections)
        self.assertNotIn(".debug_", sections)
        self.assertNotIn(".symtab", sections)

    def test_it_finds_what_the_guest_needs(self):
        told = self.run_it("doctor").stdout
        self.assertIn(f"guest payload in {self.share / 'ktrial'}", told)

    def test_each_command_has_a_manual_page(self):
        pages = {path.name.removesuffix(".1.gz").removesuffix(".1"): path
                 for path in (self.share / "man" / "man1").iterdir()}
        commands = [name.split("-") for name in pages]
        self.assertIn(["ktrial", "campaign", "run"], commands)
        for words in commands:
            if words == ["ktrial", "kernel", "check", "config"]:
                words = ["ktrial", "kernel", "check-config"]
            path = pages["-".join(words)]
            text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz"
                    else path.read_bytes()).decode()
            self.assertEqual(text, self.run_it("manual", *words[1:]).stdout, path)

    def test_the_shells_find_completions(self):
        for file, shell in (("bash-completion/completions/ktrial", "bash"),
                            ("zsh/vendor-completions/_ktrial", "zsh"),
                            ("zsh/site-functions/_ktrial", "zsh"),
                            ("fish/vendor_completions.d/ktrial.fish", "fish")):
            self.assertEqual((self.share / file).read_text(),
                             self.run_it("completion", shell).stdout, file)

    def test_a_home_that_is_none_is_named(self):
        gone = ("XDG_STATE_HOME", "XDG_CACHE_HOME")
        self.refused(self.run_it("run", HOME="/dev/null", without=gone),
                     "/dev/null/.local/state/ktrial", "--results DIR")
        self.refused(self.run_it("run", "--results", self.folder / "results", HOME="/dev/null",
                                 without=gone), "/dev/null/.cache/ktrial", "XDG_CACHE_HOME")

    def test_without_home_the_user_database_knows(self):
        told = self.run_it("doctor", without=("HOME", "XDG_CACHE_HOME")).stdout
        self.assertIn(".cache/ktrial", told)

    def test_one_cpu_of_many_is_one(self):
        one = min(os.sched_getaffinity(0))
        told = subprocess.run([self.program, "doctor"], capture_output=True, text=True, timeout=60,
                              preexec_fn=lambda: os.sched_setaffinity(0, {one})).stdout
        self.assertIn("1 CPU for ktrial", told)


@unittest.skipUnless(all(map(shutil.which, ("dpkg-deb", "dpkg-shlibdeps", "zstd"))),
                     "a tool of bootstrap.sh's package_tools is missing")
class PackageTest(Installed):
    """What `cpack --preset deb` makes, unpacked."""

    @classmethod
    def install(cls):
        cls.made = cls.folder / "made"
        subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-G", "DEB", "-B", cls.made],
                       check=True, capture_output=True, timeout=300, umask=0o077)
        (cls.package,) = cls.made.glob("ktrial_*.deb")
        subprocess.run(["dpkg-deb", "-x", cls.package, cls.folder / "a root"], check=True, timeout=100)
        cls.prefix = cls.folder / "a root" / "usr"

    def field(self, package, name):
        return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True,
                              text=True, timeout=60).stdout.strip()

    def test_it_is_small_and_needs_no_tool_of_a_build(self):
        self.assertLess(int(self.field(self.package, "Installed-Size")) * 1024, LARGEST)
        needs = self.field(self.package, "Depends")
        self.assertIn("libc6 (>= ", needs)
        self.assertNotIn("-dev", needs)
        self.assertNotIn("g++", needs)
        self.assertIn("qemu-system-x86", self.field(self.package, "Recommends"))

    def test_it_is_for_everybody(self):
        listed = subprocess.run(["dpkg-deb", "-c", self.package], capture_output=True, text=True,
                                timeout=60).stdout.splitlines()
        self.assertGreater(len(listed), 100)
        for line in listed:
            self.assertRegex(line, r"^(drwxr-xr-x|-rw[x-]r-[x-]r-[x-]) root/root ")

    @unittest.skipUnless(shutil.which("readelf"), "no readelf")
    def test_the_debug_data_is_that_of_the_program(self):
        (debug,) = self.made.glob("ktrial-dbgsym_*.ddeb")  # apt installs it like a .deb
        notes = subprocess.run(["readelf", "-n", self.program], capture_output=True, text=True,
                               timeout=60).stdout
        identity = notes.split("Build ID: ")[1].split()[0]
        listed = subprocess.run(["dpkg-deb", "-c", debug], capture_output=True, text=True,
                                timeout=60).stdout
        self.assertIn(f"/usr/lib/debug/.build-id/{identity[:2]}/{identity[2:]}.debug\n", listed)

    @unittest.skipUnless(shutil.which("lintian"), "no lintian")
    def test_lintian_finds_nothing(self):
        """But the address of who packs it, where none was given."""
        told = subprocess.run(["lintian", "--allow-root", "--suppress-tags",
                               "bogus-mail-host,bogus-mail-host-in-debian-changelog", self.package],
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(told.stdout, "", told.stderr)

    def test_a_trial_in_an_odd_environment_passes(self):
        """Turkish, for nobody but oneself, no home, blanks in the names of folders; the guest's
        programs are compressed."""
        self.assertEqual(list((self.share / "ktrial").rglob("ktrial-init")), [])
        odd = self.folder / "tmp with blanks"
        odd.mkdir()
        previous = os.umask(0o077)
        try:
            ran = self.run_it("run", "--workload", "smoke", "--cpus", "1", "--memory", "256M",
                              "--results", self.folder / "my results", timeout=500, without=("HOME",),
                              TMPDIR=str(odd), LANG="tr_TR.UTF-8", LC_ALL="tr_TR.UTF-8")
        finally:
            os.umask(previous)
        if ran.returncode == 128 and "kernel" in ran.stderr:
            self.skipTest(ran.stderr)
        self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
        self.assertEqual(list(odd.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
