"""Parts of libraries that load at their first use: a command is not to wait at its start for what it may never need.

pydicom loads NumPy, every pixel handler it can find, an HTTP client and its examples whether pixels are decoded or not. Once
`put_off` was called, a module that it names is there from its import on, and is executed when somebody asks it for
something. A function of it that is only handed on is a stand-in until it is called.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, cast  # not importlib.abc: it loads as much as it saves

_HANDLERS = ("numpy", "rle", "pillow", "jpeg_ls", "gdcm", "pylibjpeg")
#: What reading and writing elements does without, and the functions that pydicom's other modules take from it by name.
PIXELS: Mapping[str, Collection[str]] = {
    "numpy": (),
    "pydicom.examples": (),
    "pydicom.pixel_data_handlers": (),
    **{f"pydicom.pixel_data_handlers.{name}_handler": () for name in _HANDLERS},
    "pydicom.pixels": ("compress", "convert_color_space", "decompress", "pixel_array"),
    "pydicom.pixels.utils": (
        *("get_image_pixel_ids", "iter_pixels", "pixel_array", "reshape_pixel_array", "set_pixel_data"),
    ),
    "pydicom.waveforms": (),
    "pydicom.waveforms.numpy_handler": (),
}

_lock = RLock()


def put_off(modules: Mapping[str, Collection[str]] = PIXELS) -> None:
    """From now on load these modules at their first use; those that are loaded already stay so. Idempotent.

    `modules` maps each name to the functions that get a stand-in. Call it before another thread runs."""
    if not any(isinstance(finder, _Finder) and finder.modules == modules for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(modules))


def is_loaded(name: str) -> bool:
    """Whether a module is there and was executed."""
    return type(sys.modules.get(name)) is ModuleType


class _Late(ModuleType):
    """A module that was found and not executed."""

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":  # the import system asks everything whether it is a package
            raise AttributeError(name)
        loader = vars(self)["__loader__"]
        if f"{self.__name__}.{name}" in loader.modules:
            return import_module(f"{self.__name__}.{name}")
        if name in loader.modules[self.__name__]:
            return _stand_in(self, name)
        _load(self)
        return getattr(self, name)


class _Loading(ModuleType):
    """A module that one thread executes: the others wait for it."""

    def __getattribute__(self, name: str) -> Any:
        with _lock:
            return super().__getattribute__(name)


def _is_late(module: ModuleType) -> bool:
    return type(module) is _Late


def _load(module: ModuleType) -> None:
    with _lock:
        if not _is_late(module):  # another thread was first, or it asks itself for what it does not have yet
            return
        late = vars(module)["__loader__"]
        module.__class__ = _Loading
        try:
            late.inner.exec_module(module)
        except BaseException:
            module.__class__ = _Late
            raise
        module.__loader__ = late.inner
        if module.__spec__ is not None:
            module.__spec__.loader = late.inner
        module.__class__ = ModuleType


def _stand_in(module: ModuleType, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        _load(module)
        return getattr(module, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = module.__name__
    return call


class _Finder:
    """Finds the modules that are put off, and sees to it that a package is executed before any other module in it."""

    def __init__(self, modules: Mapping[str, Collection[str]]) -> None:
        self.modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is put off; None for every other one."""
        if fullname in self.modules:
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = cast("Any", _LateLoader(spec.loader, self.modules))
            return spec
        package = sys.modules.get(fullname.rpartition(".")[0])
        if package is not None and _is_late(package):
            _load(package)
            if fullname in sys.modules:  # by its package
                return _of_loaded(sys.modules[fullname])
        return None


class _LateLoader:
    """Makes a module and leaves it there."""

    def __init__(self, inner: Any, modules: Mapping[str, Collection[str]]) -> None:
        self.inner, self.modules = inner, modules

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As any other module is made."""
        made: ModuleType | None = self.inner.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Not yet."""
        module.__class__ = _Late


def _of_loaded(module: ModuleType) -> ModuleSpec:
    """A spec by which the import system, which would load it again, gets a module as it is. It takes a module's own spec
    before the one that it is given."""
    module.__spec__ = ModuleSpec(module.__name__, cast("Any", _Loaded(module)))
    return module.__spec__


class _Loaded:
    """Gives a module that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """With the spec that it had."""
        module.__spec__ = self._spec
