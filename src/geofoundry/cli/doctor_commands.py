"""`geofoundry doctor`: what this machine and this installation can do, and what to mend."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer

GIB = 2**30
EXIT_BROKEN = 2
ENOUGH_DISK_GIB = 5.0
ENOUGH_MEMORY_GIB = 4.0

# What the extras need most, for a folder of sources that is used without being installed.
NEVER_INSTALLED = {
    "geo": [("numpy", "", ""), ("rasterio", "", "")],
    "train": [("torch", "", ""), ("lightning", "", ""), ("timm", "", "")],
}

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([\w,-]+)\])?\s*([^;]*)(?:;.*extra\s*==\s*['\"]([\w-]+)['\"])?")


@dataclass(slots=True)
class Diagnosis:
    """What was found, in sections of name and value, and what follows from it."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    verdict: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at Python, machine, GPU, libraries, extras and folders, and say what to mend."""
    diagnosis = examine()
    if as_json:
        typer.echo(json.dumps(asdict(diagnosis), indent=2, ensure_ascii=False))
    else:
        _print_diagnosis(diagnosis)
    if diagnosis.broken:
        raise typer.Exit(EXIT_BROKEN)


def examine() -> Diagnosis:
    """Return what this machine and this installation can do."""
    diagnosis = Diagnosis()
    diagnosis.sections["python"] = _python()
    diagnosis.sections["machine"] = _machine(diagnosis)
    extras, missing = _extras(diagnosis)
    diagnosis.sections["extras"] = extras
    diagnosis.sections["libraries"] = _libraries()
    diagnosis.sections["gpu"] = _gpu(diagnosis)
    diagnosis.sections["geodata"] = _geodata(diagnosis)
    diagnosis.sections["folders"] = _folders(diagnosis)
    diagnosis.verdict = _verdict(diagnosis, missing)
    return diagnosis


def _python() -> dict[str, str]:
    from geofoundry import __version__

    return {
        "geofoundry": __version__,
        "version": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "environment": "virtual" if sys.prefix != sys.base_prefix else "system",
    }


def _machine(diagnosis: Diagnosis) -> dict[str, str]:
    total, available = _memory_gib()
    free = shutil.disk_usage(Path.cwd()).free / GIB
    if free < ENOUGH_DISK_GIB:
        diagnosis.hints.append(f"only {free:.1f} GiB of disk are free here: checkpoints may not fit")
    if available is not None and available < ENOUGH_MEMORY_GIB:
        diagnosis.hints.append(f"only {available:.1f} GiB of memory are free: choose a small batch_size")
    memory = "unknown" if total is None else f"{total:.1f} GiB"
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": str(_cores()),
        "memory": memory + (f", {available:.1f} GiB free" if available is not None else ""),
        "disk": f"{free:.1f} GiB free in {Path.cwd()}",
    }


def _processor() -> str:
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> tuple[float | None, float | None]:
    """Return total and available memory; a container's limit counts, where there is one."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (ValueError, OSError, AttributeError):
        return None, None
    available = None
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file() and (match := re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)):
        available = int(match[1]) * 1024 / GIB
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text) / GIB)
        available = None if available is None else min(available, total)
    return total, available


def _extras(diagnosis: Diagnosis) -> tuple[dict[str, str], list[str]]:
    """Return the state of every extra, and the extras that lack something."""
    requirements = _requirements()
    states: dict[str, str] = {}
    incomplete: list[str] = []
    for extra in sorted(extra for extra in requirements if extra not in ("", "dev", "all")):
        absent, old = _unmet(extra, requirements)
        for name in old:
            diagnosis.hints.append(f"{name}, which [{extra}] asks for, is older than it should be")
        states[extra] = f"not installed: {', '.join(absent)}" if absent else "installed"
        if absent:
            incomplete.append(extra)
    return states, incomplete


def _requirements() -> dict[str, list[tuple[str, str, str]]]:
    """Return (package, its extras, version) of every extra of ours, from the installed metadata."""
    from importlib import metadata

    found: dict[str, list[tuple[str, str, str]]] = {}
    try:
        required = metadata.requires("geofoundry")
    except metadata.PackageNotFoundError:
        return NEVER_INSTALLED
    for text in required or []:
        match = _REQUIREMENT.match(text)
        if match:
            name, extras, version, own_extra = match.groups(default="")
            found.setdefault(own_extra, []).append((name, extras, version.strip()))
    return found


def _unmet(extra: str, requirements: dict[str, list[tuple[str, str, str]]]) -> tuple[list[str], list[str]]:
    """Return the packages of an extra that are absent, and those that are too old."""
    absent: list[str] = []
    old: list[str] = []
    for name, inner, version in requirements.get(extra, []):
        if name == "geofoundry":
            for part in inner.split(","):
                more_absent, more_old = _unmet(part, requirements)
                absent += more_absent
                old += more_old
            continue
        installed = _version(name)
        minimum = re.search(r">=\s*([\d.]+)", version)
        if installed is None:
            absent.append(name)
        elif minimum and _numbers(installed) < _numbers(minimum[1]):
            old.append(f"{name} {installed} (asked for: {version})")
    return list(dict.fromkeys(absent)), list(dict.fromkeys(old))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _libraries() -> dict[str, str]:
    names = sorted({name for group in _requirements().values() for name, _, _ in group} - {"geofoundry"}, key=str.lower)
    return {name: version for name in names if (version := _version(name)) is not None}


def _gpu(diagnosis: Diagnosis) -> dict[str, str]:
    if _version("torch") is None:
        return {"torch": "not installed"}
    try:
        import torch
    except (ImportError, OSError) as error:
        diagnosis.broken.append(f"torch is installed but can't be imported: {error}; reinstall it")
        return {"torch": f"can't be imported: {error}"}
    found = {"torch": torch.__version__, "cuda build": torch.version.cuda or "none"}
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        found[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / GIB:.1f} GiB"
    if torch.cuda.is_available():
        found["bf16"] = "yes" if torch.cuda.is_bf16_supported() else "no"
    elif torch.backends.mps.is_available():
        found["mps"] = "available"
    else:
        found["devices"] = "none; training runs on the processor"
        if Path("/dev/nvidia0").exists():
            diagnosis.hints.append(
                "there is an NVIDIA device, but torch can't use it: compare the driver with torch's CUDA build"
            )
    found["threads"] = str(torch.get_num_threads())
    return found


def _geodata(diagnosis: Diagnosis) -> dict[str, str]:
    if _version("rasterio") is None:
        return {"rasterio": "not installed"}
    try:
        import rasterio
    except (ImportError, OSError) as error:
        diagnosis.broken.append(f"rasterio is installed but can't be imported: {error}; reinstall it")
        return {"rasterio": f"can't be imported: {error}"}
    found = {"rasterio": rasterio.__version__, "GDAL": rasterio.__gdal_version__}
    for variable in ("GDAL_DATA", "PROJ_LIB", "PROJ_DATA", "GDAL_CACHEMAX"):
        if value := os.environ.get(variable):
            found[variable] = value
            if variable != "GDAL_CACHEMAX" and not Path(value).is_dir():
                diagnosis.hints.append(f"the environment's {variable} names no folder ({value}): unset it")
    return found


def _folders(diagnosis: Diagnosis) -> dict[str, str]:
    from geofoundry.core.files import cache_folder

    folders = {"working": Path.cwd(), "runs": Path("runs").absolute(), "cache": cache_folder()}
    found: dict[str, str] = {}
    for name, folder in folders.items():
        writable = _is_writable(folder)
        found[name] = f"{folder}" + ("" if writable else " (not writable)")
        if not writable and name == "cache":
            diagnosis.hints.append("the cache folder can't be written: set GEOFOUNDRY_CACHE to one that can")
        elif not writable:
            diagnosis.hints.append(f"{folder} can't be written: set run.root in the configuration to a folder that can")
    custom = Path("custom_modules")
    count = len(list(custom.glob("*.py"))) if custom.is_dir() else 0
    found["custom modules"] = f"{custom.absolute()}, {count} files" if custom.is_dir() else "none in this folder"
    return found


def _is_writable(folder: Path) -> bool:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def _verdict(diagnosis: Diagnosis, missing: list[str]) -> str:
    if diagnosis.broken:
        return "Something is broken, see above. Mend it and run `geofoundry doctor` again."
    if "geo" in missing and "train" in missing:
        diagnosis.hints.append("to train and to write maps: pip install '.[train]'")
        return "Ready to check configurations and to browse the catalog; not to train or to read imagery."
    if "train" in missing:
        diagnosis.hints.append("to train: pip install '.[train]'")
        return "Ready to read imagery; not to train."
    return "Ready to train, to evaluate and to write maps."


def _print_diagnosis(diagnosis: Diagnosis) -> None:
    width = max(len(name) for section in diagnosis.sections.values() for name in section) + 2
    for title, section in diagnosis.sections.items():
        typer.echo(typer.style(title, bold=True))
        for name, value in section.items():
            typer.echo(f"  {name:<{width}}{value}")
    typer.echo()
    for text in diagnosis.broken:
        typer.echo(typer.style(f"broken: {text}", fg=typer.colors.RED))
    for text in diagnosis.hints:
        typer.echo(typer.style(f"hint: {text}", fg=typer.colors.YELLOW))
    color = typer.colors.RED if diagnosis.broken else typer.colors.GREEN
    typer.echo(typer.style(diagnosis.verdict, fg=color, bold=True))
