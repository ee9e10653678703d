"""Installs the configs, conf/, inside the package; setup.cfg has everything else."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable install finds them in the checkout
            conf = Path(self.build_lib, "seq2scene", "conf")
            shutil.rmtree(conf, ignore_errors=True)  # of an earlier build
            shutil.copytree("conf", conf)


setup(cmdclass={"build_py": BuildWithConfigs})
