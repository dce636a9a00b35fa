"""The jobs of docs/ci: scripts that bash reads, commands and options that ktrial has, files that
their services' schemas take (KTRIAL_SCHEMAS=DIR with github-workflow.json and gitlab-ci.json).

    jobs_test.py KTRIAL"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    yaml = None
try:
    import jsonschema
except ImportError:
    jsonschema = None

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "ci"
KTRIAL = sys.argv.pop() if len(sys.argv) > 1 else None


def scripts(name):
    """Without a YAML reader: what follows `run:` or a script's dash, and the lines of `run: |`."""
    lines = (DOCS / name).read_text().splitlines()
    block = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if block is not None and indent > block:
            yield line.strip()
            continue
        block = None
        if re.match(r" *(- )?run: \|$", line):
            block = indent
        elif found := re.match(r" *(?:- )?run: (.+)$", line):
            yield found[1]
        elif found := re.match(r"    - ((?:ktrial|apt-get|curl) .+)$", line):
            yield found[1]


def help_of(words):
    return subprocess.run([KTRIAL, *words, "--help"], capture_output=True, text=True, timeout=60)


class JobsTest(unittest.TestCase):
    def each(self):
        for name in "github.yml", "gitlab.yml":
            lines = list(scripts(name))
            self.assertGreater(len(lines), 6, name)
            for line in lines:
                with self.subTest(file=name, line=line):
                    yield line

    def test_bash_reads_each_script(self):
        for line in self.each():
            subprocess.run(["bash", "-n", "-c", line], check=True, timeout=60)

    def test_ktrial_has_each_command_and_option(self):
        found = 0
        for line in self.each():
            for command in re.findall(r"ktrial ([a-z].*?)(?: \||$)", line):
                if line.startswith(("apt-get", "curl")):
                    continue
                words = shlex.split(command)
                path = words[:2] if words[0] == "campaign" else words[:1]
                told = help_of(path)
                self.assertEqual(told.returncode, 0, told.stderr)
                for option in (word for word in words if word.startswith("--")):
                    self.assertRegex(told.stdout, rf"(^|[ ,]){option}\b", f"{path}")
                    found += 1
        self.assertGreater(found, 10)

    def test_ktrial_takes_the_plan(self):
        plan = (DOCS / "nightly.toml").read_text()
        self.assertIn('"deb:linux-image-cloud-amd64"', plan)
        # A plan that is read is refused for its kernel, which is not there: exit status 125 or
        # 128, not 129.
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "plan.toml").write_text(
            plan.replace("deb:linux-image-cloud-amd64", "deb:linux-image-not-there"))
        ran = subprocess.run([KTRIAL, "campaign", "run", folder / "plan.toml", "--offline",
                              "--budget", "1m", "--results", folder / "results"],
                             capture_output=True, text=True, timeout=100,
                             env={**os.environ, "XDG_CACHE_HOME": str(folder)})
        self.assertIn(ran.returncode, (125, 128), ran.stderr)
        self.assertIn("linux-image-not-there", ran.stdout + ran.stderr)

    @unittest.skipUnless(yaml, "no python3-yaml")
    def test_they_are_yaml(self):
        for name in "github.yml", "gitlab.yml":
            self.assertIsInstance(yaml.safe_load((DOCS / name).read_text()), dict)

    @unittest.skipUnless(yaml and jsonschema, "no python3-yaml and python3-jsonschema")
    def test_their_services_take_them(self):
        folder = os.environ.get("KTRIAL_SCHEMAS", "")
        pairs = [(DOCS / job, pathlib.Path(folder) / schema)
                 for job, schema in (("github.yml", "github-workflow.json"),
                                     ("gitlab.yml", "gitlab-ci.json"))]
        pairs = [pair for pair in pairs if folder and pair[1].exists()]
        if not pairs:
            self.skipTest("KTRIAL_SCHEMAS names no folder with their schemas")
        for job, schema in pairs:
            # YAML 1.1 takes the key `on` for true.
            document = {"on" if key is True else key: value
                        for key, value in yaml.safe_load(job.read_text()).items()}
            jsonschema.validate(document, json.loads(schema.read_text()))


if __name__ == "__main__":
    unittest.main()
