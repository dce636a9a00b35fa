"""bootstrap.sh on systems that this one is not: apt, dpkg and cmake are stubs that write down what
they are asked. Nothing is installed."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BOOTSTRAP = pathlib.Path(__file__).parents[3] / "bootstrap.sh"
TOOLS = "bash cat chmod cp cut dirname dpkg env grep head mkdir mktemp mv rm sed sort tr".split()
LOCK = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (unattended-upgr)"


@unittest.skipUnless(shutil.which("dpkg"), "compares versions with dpkg")
class BootstrapTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.bin = self.folder / "bin"
        self.temporary = self.folder / "temporary"
        for folder in self.bin, self.temporary:
            folder.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.stub("id", "echo 0")
        self.stub("sleep", "")
        self.stub("cmake", "")
        self.stub("vhost-device-vsock", "")
        self.stub("virtiofsd", "")
        self.dpkg_and_apt(installed={}, candidates={})

    def stub(self, name, script):
        path = self.bin / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.folder}/calls"\n{script}\n')
        path.chmod(0o755)

    def dpkg_and_apt(self, installed, candidates, plan="", install="", every="1.0",
                     download=""):
        """`installed` and `candidates`: package to version; others have `every` as candidate."""
        cases = "".join(f'  {name}) echo "installed {version}" ;;\n'
                        for name, version in installed.items())
        self.stub("dpkg-query", f'case "${{@: -1}}" in\n{cases}  *) exit 1 ;;\nesac')
        cases = "".join(f'  {name}) v="{version}" ;;\n' for name, version in candidates.items())
        self.stub("apt-cache", f'case "${{@: -1}}" in\n{cases}  *) v="{every}" ;;\nesac\n'
                               'echo "  Candidate: $v"')
        self.stub("apt-get", f'case " $* " in\n  *" -s "*) echo "{plan}" ;;\n'
                             f'  *" install "*) {install or ":"} ;;\n'
                             f'  *" download "*) {download or ":"} ;;\nesac')

    def run_it(self, *arguments):
        shutil.copy(BOOTSTRAP, self.folder / "bootstrap.sh")
        result = subprocess.run([self.bin / "bash", self.folder / "bootstrap.sh", *arguments],
                                env={"PATH": str(self.bin), "TMPDIR": str(self.temporary),
                                     "XDG_CACHE_HOME": str(self.folder / "cache")},
                                capture_output=True, text=True, timeout=60)
        calls = self.folder / "calls"
        self.calls = calls.read_text().splitlines() if calls.exists() else []
        return result

    def installs(self):
        return [call for call in self.calls if call.startswith("apt-get") and " install " in call
                and " -s " not in call]

    def test_names_are_those_of_debian_12(self):
        self.dpkg_and_apt({}, {"libboost-dev": "1.74.0.3", "libboost1.81-dev": "1.81.0-5",
                               "libboost1.83-dev": "(none)", "libelf1t64": "(none)"})
        self.assertEqual(self.run_it("build").returncode, 0)
        words = self.installs()[0].split()
        self.assertIn("libboost1.81-dev", words)
        self.assertIn("libelf1", words)
        self.assertNotIn("libboost-dev", words)
        self.assertIn("cmake --build --preset release --target program", self.calls)

    def test_names_are_those_of_debian_13(self):
        self.dpkg_and_apt({}, {"libboost-dev": "1.83.0.2", "libboost1.81-dev": "(none)"})
        self.assertEqual(self.run_it("build").returncode, 0)
        words = self.installs()[0].split()
        self.assertIn("libboost-dev", words)
        self.assertNotIn("libboost-process-dev", words)
        self.assertIn("libelf1t64", words)

    def test_a_package_takes_its_tools_and_no_tests(self):
        for tool in "ls", "touch":
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.stub("cpack", f'touch "{self.folder}/build/release/ktrial_1_amd64.deb"')
        (self.folder / "build" / "release").mkdir(parents=True)
        result = self.run_it("package")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("file", self.installs()[0].split())
        self.assertNotIn("clang-19", self.installs()[0].split())
        self.assertEqual(self.calls[-2:], ["cmake --build --preset release --target program",
                                           "cpack --preset deb"])
        self.assertIn("ktrial_1_amd64.deb", result.stdout)

    def test_a_folder_that_cannot_be_written_to_is_named(self):
        (self.folder / "build").write_text("in the way, as root may write anywhere")
        result = self.run_it("build")
        self.assertEqual(result.returncode, 128)
        self.assertIn(f"{self.folder} cannot be written to; build it elsewhere: cmake -S",
                      result.stderr)
        self.assertNotIn("cmake --build --preset release --target program", self.calls)

    def test_a_newer_boost_of_the_users_is_enough(self):
        self.dpkg_and_apt({"'libboost1.*-dev'": "1.88.0-1"}, {"libboost-dev": "1.83.0.2"})
        self.assertEqual(self.run_it("build").returncode, 0)
        self.assertEqual([word for word in self.installs()[0].split() if "boost" in word],
                         ["libboost-process1.88-dev"], "a library of its own since 1.86")

    def test_a_new_boost_brings_its_library_of_processes(self):
        self.dpkg_and_apt({}, {"libboost-dev": "1.92.0.1"})
        self.assertEqual(self.run_it("build").returncode, 0)
        self.assertEqual([word for word in self.installs()[0].split() if "boost" in word],
                         ["libboost-dev", "libboost-process-dev"])

    def test_no_package_is_removed(self):
        self.dpkg_and_apt({}, {}, plan="Remv libboost-dev [1.74.0.3]")
        result = self.run_it("build")
        self.assertEqual(result.returncode, 128)
        self.assertIn("would remove libboost-dev", result.stderr)
        self.assertIn("\n    apt-get install -y --no-install-recommends ", result.stderr)
        self.assertEqual(self.installs(), [])

    def test_another_apt_is_waited_for(self):
        count = self.folder / "count"
        self.dpkg_and_apt({}, {}, install=f'echo >>"{count}"; [ $(grep -c "" "{count}") -gt 2 ] || '
                                          f'{{ echo "{LOCK}" >&2; exit 100; }}')
        result = self.run_it("build")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count("waiting"), 1)
        self.assertIn("held by process 7", result.stderr)
        self.assertEqual(len(self.installs()), 3)

    def test_other_errors_of_apt_are_errors_at_once(self):
        self.dpkg_and_apt({}, {}, install='echo "E: No space left" >&2; exit 100')
        result = self.run_it("build")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("No space left", result.stderr)
        self.assertEqual(len(self.installs()), 1)

    def no_virtiofsd(self):
        if any(os.access(place, os.X_OK) for place in ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd")):
            self.skipTest("this system has a virtiofsd")
        (self.bin / "virtiofsd").unlink()
        return self.folder / "cache" / "ktrial" / "virtiofsd" / "virtiofsd"

    def test_debian_13_has_a_virtiofsd(self):
        fetched = self.no_virtiofsd()
        self.assertEqual(self.run_it("build").returncode, 0)
        self.assertIn("virtiofsd", self.installs()[-1].split())
        self.assertFalse(fetched.exists())

    def test_debian_12_gets_that_of_debian_13_beside_its_own_libc(self):
        fetched = self.no_virtiofsd()
        self.dpkg_and_apt({}, {"virtiofsd": "(none)"},
                          download="echo >virtiofsd_1.13.2_amd64.deb; echo >libc6_2.41_amd64.deb")
        self.stub("dpkg-deb", """
            [ "$1" = -x ] && mkdir -p "$3/usr/libexec" "$3/usr/lib/x86_64-linux-gnu" && cd "$3/usr"
            case "$2" in
              virtiofsd_*) printf '#!/bin/sh\\necho "virtiofsd 1.13.2 $*"\\n' >libexec/virtiofsd ;;
              libc6_*) cd lib/*-linux-gnu; echo c >libc.so.6; echo m >libm.so.6
                       printf '#!/bin/sh\\necho "$1 $2"; shift 2; exec "$@"\\n' >ld-linux-x86-64.so.2 ;;
            esac
            chmod 755 libexec/virtiofsd ld-linux-*.so.* 2>/dev/null || true""")
        self.assertEqual(self.run_it("build").returncode, 0)
        downloads = [call for call in self.calls if " download " in call]
        self.assertEqual([call.split()[-2:] for call in downloads],
                         [["virtiofsd/trixie", "libc6/trixie"]])
        told = subprocess.run([fetched, "--help"], capture_output=True, text=True, timeout=60).stdout
        self.assertEqual(told, f"--library-path {fetched.parent}\nvirtiofsd 1.13.2 --help\n")
        self.assertEqual(sorted(file.name for file in fetched.parent.iterdir()),
                         ["ld.so", "libc.so.6", "libm.so.6", "program", "virtiofsd"])
        self.assertEqual(list(self.temporary.iterdir()), [])
        self.run_it("build")
        self.assertEqual(sum(" download " in call for call in self.calls), 1, "it is there")

    def test_without_a_virtiofsd_all_goes_on(self):
        fetched = self.no_virtiofsd()
        self.dpkg_and_apt({}, {"virtiofsd": "(none)"}, download="exit 100")
        result = self.run_it("build")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("--root host and --root FOLDER are for root alone", result.stderr)
        self.assertFalse(fetched.exists())
        self.assertEqual(list(self.temporary.iterdir()), [])

    def test_without_dpkg_what_is_missing_is_listed(self):
        for tool in ("dpkg", "dpkg-query", "apt-get"):
            (self.bin / tool).unlink()
        self.stub("g++", 'text=$(cat); case "$text" in *CLI*) exit 1 ;; esac')
        self.stub("pkg-config", '[ "$2" != re2 ]')
        for tool in ("git", "make", "ninja", "qemu-system-x86_64"):
            self.stub(tool, "")
        result = self.run_it("build")
        self.assertEqual(result.returncode, 128)
        self.assertIn("libcli11-dev (CLI/CLI.hpp)", result.stderr)
        self.assertIn("libre2-dev (re2)", result.stderr)
        self.assertEqual(result.stderr.count("\n  "), 2, result.stderr)
        self.stub("g++", "cat >/dev/null")
        self.stub("pkg-config", "")
        self.assertEqual(self.run_it("build").returncode, 0)


if __name__ == "__main__":
    unittest.main()
