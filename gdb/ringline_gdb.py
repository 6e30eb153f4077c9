# SPDX-License-Identifier: MIT
"""gdb commands for processes that use libringline, live or as a core.

    ringline tasks        every task: its worker, id, state, what it waits for and since when, its name
    ringline bt ID        the backtrace of a task; `ringline bt ID full` with the variables
    ringline workers      the workers of each runtime

gdb loads this by itself beside the library (auto-load), if it may; `source` does it by hand. The library's debug information
has to be there. Nothing is called in the process and nothing written to it, so it works on cores, too.

Tasks are read as memory, a slab's chunk at a time, and taken apart here: with a gdb.Value for each member ten thousand of
them would take seconds.

A parked fiber is shown by an unwinder: while one is looked at, the caller of the selected thread's innermost frame is
whoever suspended the fiber. (Of the first frame that unwinders written in Python are asked about: gdb has its own for some.)
"""
import re
import struct
import time

import gdb
import gdb.unwinder

IDLE, QUEUED, RUNNING, RUNNING_NOTIFIED, ENDED = range(5)
BULK = 2
FIRST_CHUNK = 8
POINTER = struct.Struct("<Q")

# Where the switch leaves what it saves, from the saved stack pointer up (lib/fiber/switch.h).
SAVED = {
    "x86-64": ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}, 64, "rsp", "rip"),
    "aarch64": ({f"x{19 + i}": 8 * i for i in range(12)} | {"pc": 88}, 176, "sp", "pc"),
}


class Layout:
    """Offsets and formats of the members of a structure that are wanted, "a.b" for one inside another."""

    def __init__(self, structure, /, **members):
        kind = gdb.lookup_type(f"struct {structure}")
        self.size = kind.sizeof
        self.members = {key: self.find(kind, path) for key, path in members.items()}

    @staticmethod
    def find(kind, path):
        offset = 0
        for part in path.split("."):
            field = kind.strip_typedefs()[part]
            offset += field.bitpos // 8
            kind = field.type.strip_typedefs()
        code = kind.code
        if code == gdb.TYPE_CODE_ARRAY and kind.target().sizeof == 1:
            return struct.Struct(f"<{kind.sizeof}s"), offset
        if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY):
            return None, offset
        signed = code == gdb.TYPE_CODE_INT and kind.is_signed
        letter = {1: "B", 2: "H", 4: "I", 8: "Q"}[kind.sizeof]
        return struct.Struct("<" + (letter.lower() if signed else letter)), offset

    def offset(self, key):
        return self.members[key][1]

    def read(self, memory, base=0):
        return {key: form.unpack_from(memory, base + offset)[0] for key, (form, offset) in self.members.items() if form}

    def at(self, address):
        return self.read(memory_at(address, self.size))


def memory_at(address, size):
    return gdb.selected_inferior().read_memory(address, size)


def pointer_at(address):
    return POINTER.unpack(memory_at(address, 8))[0]


def string_at(address):
    """A string that ends somewhere; read in pieces that do not leave its page."""
    text = b""
    while len(text) < 256:
        piece = bytes(memory_at(address + len(text), min(32, 4096 - (address + len(text)) % 4096)))
        text += piece.partition(b"\0")[0]
        if b"\0" in piece:
            break
    return text.decode(errors="replace")


def now_for(worker):
    """The monotonic time: now for a process of this machine, else when the worker last looked."""
    connection = gdb.selected_inferior().connection
    if connection and connection.type == "native":
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return worker["now"]


def text_of(array):
    return array.partition(b"\0")[0].decode(errors="replace")


class Library:
    """The layouts, looked up once per command."""

    def __init__(self):
        try:
            self.runtimes = int(gdb.parse_and_eval("&rln_runtimes.list"))
            self.runtime = Layout("ringline_runtime", all="all", workers="workers", nworkers="nworkers", state="state")
            self.worker = Layout("rln_worker", tasks="exec.tasks", current="exec.current", now="exec.now",
                                 thread="thread", index="index")
            self.slab = Layout("rln_slab", chunk="chunk", fresh="fresh", size="size")
            self.task = Layout("ringline_task", index="slot.index", gen="slot.gen", fiber="fiber", fn="fn", arg="arg",
                               parked="parked", state="state", task_class="class", locks="locks", name="name",
                               reason="base.reason")
            self.parker = Layout("rln_parker", what="what", object="object", since="since")
            self.fiber = Layout("rln_fiber", sp="sp")
        except (gdb.error, KeyError) as e:
            raise gdb.GdbError(f"libringline is not loaded, or its debug information is not there ({e})") from e
        self.reasons = {}

    def all_runtimes(self):
        node = pointer_at(self.runtimes)
        while node != self.runtimes:
            runtime = node - self.runtime.offset("all")
            yield self.runtime.at(runtime)
            node = pointer_at(node)

    def workers(self):
        for runtime in self.all_runtimes():
            for i in range(runtime["nworkers"] if runtime["workers"] else 0):
                address = runtime["workers"] + i * self.worker.size
                yield address, self.worker.at(address)

    def tasks(self, worker):
        """Those of a worker that have not ended, with their addresses."""
        slab = worker + self.worker.offset("tasks")
        head = self.slab.at(slab)
        first = 0
        chunk = 0
        while first < head["fresh"]:
            count = min(FIRST_CHUNK << chunk, head["fresh"] - first)
            start = pointer_at(slab + self.slab.offset("chunk") + 8 * chunk)
            memory = memory_at(start, count * head["size"])
            for i in range(count):
                task = self.task.read(memory, i * head["size"])
                if task["gen"] & 1 and task["state"] != ENDED:
                    task["id"] = task["gen"] << 32 | task["index"]
                    yield task
            first += FIRST_CHUNK << chunk
            chunk += 1

    def waits_for(self, parked, now):
        if not parked:
            return "waits"
        parker = self.parker.at(parked)
        what = parker["what"]
        if what not in self.reasons:
            self.reasons[what] = string_at(pointer_at(what)) if what else "something"
        object_ = f" ({parker['object']:#x})" if parker["object"] else ""
        return f"waits for {max(0, now - parker['since']) / 1e9:.3f} s: {self.reasons[what]}{object_}"

    def state(self, task, now):
        if task["state"] in (RUNNING, RUNNING_NOTIFIED):
            return "runs"
        if task["state"] == QUEUED:
            return "ready to run"
        return self.waits_for(task["parked"], now)

    def find(self, number):
        for address, worker in self.workers():
            for task in self.tasks(address):
                if task["id"] == number:
                    return worker, task
        raise gdb.GdbError(f"there is no task {number}; see \"ringline tasks\"")


class FiberUnwinder(gdb.unwinder.Unwinder):
    """Off unless a fiber is looked at."""

    def __init__(self):
        super().__init__("ringline")
        self.sp = 0
        self.level = None

    def look_at(self, sp):
        """From now on at the fiber suspended with that stack pointer; 0: at none."""
        self.sp = sp
        self.level = None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.level is None:
            self.level = pending.level()
        if not self.sp or pending.level() != self.level:
            return None
        saved, size, sp_name, pc_name = SAVED[pending.architecture().name().split(":")[-1]]
        pc = pending.read_register(pc_name)
        word = gdb.lookup_type("unsigned long")
        # below the fiber's frames, or gdb would take their order for a corrupt stack
        unwound = pending.create_unwind_info(FrameId(gdb.Value(self.sp - 16).cast(word), pc))
        for register, offset in saved.items():
            unwound.add_saved_register(register, gdb.Value(pointer_at(self.sp + offset)).cast(word))
        unwound.add_saved_register(sp_name, gdb.Value(self.sp + size).cast(word))
        return unwound


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


UNWINDER = FiberUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def bt_of_fiber(sp, options):
    """Without the thread's own frames, which come first."""
    UNWINDER.look_at(sp)
    try:
        lines = gdb.execute(f"backtrace {options}", to_string=True).splitlines()
        own = UNWINDER.level + 1
    finally:
        UNWINDER.look_at(0)
    start = next((i for i, line in enumerate(lines) if re.match(rf"#{own} ", line)), len(lines))
    return "\n".join(re.sub(r"^#(\d+) +", lambda m: f"#{int(m[1]) - own:<2} ", line) for line in lines[start:])


def bt_of_thread(handle, options):
    before = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        if int.from_bytes(thread.handle(), "little") == handle:
            thread.switch()
            try:
                return gdb.execute(f"backtrace {options}", to_string=True)
            finally:
                before.switch()
    raise gdb.GdbError("the worker's thread is not there")


class Ringline(gdb.Command):
    """Tasks of libringline: ringline tasks, ringline bt ID, ringline workers."""

    def __init__(self):
        super().__init__("ringline", gdb.COMMAND_STACK, prefix=True)


class Workers(gdb.Command):
    """ringline workers: those of each runtime, and how many tasks they have."""

    def __init__(self):
        super().__init__("ringline workers", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        library = Library()
        for address, worker in library.workers():
            count = sum(1 for _ in library.tasks(address))
            gdb.write(f"worker {worker['index']}: {count} tasks\n")


class Tasks(gdb.Command):
    """ringline tasks: every task with its state, what it waits for and since when.
An argument shows only those in whose line it is found."""

    def __init__(self):
        super().__init__("ringline tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        library = Library()
        lines = []
        for address, worker in library.workers():
            now = now_for(worker)
            for task in library.tasks(address):
                bulk = ", bulk" if task["task_class"] == BULK else ""
                cut = ", cancelled" if task["reason"] else ""
                held = f", holds {task['locks']} locks" if task["locks"] else ""
                stack = "" if task["fiber"] else ", stackless"
                lines.append(f"worker {worker['index']} task {task['id']} \"{text_of(task['name'])}\"{bulk}: "
                             f"{library.state(task, now)}{cut}{held}{stack}\n")
        gdb.write("".join(line for line in lines if argument in line))


class Backtrace(gdb.Command):
    """ringline bt ID: the backtrace of a task. What follows ID goes to "backtrace": full, a number of frames."""

    def __init__(self):
        super().__init__("ringline bt", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        words = argument.split(None, 1)
        if not words:
            raise gdb.GdbError("which task? ringline bt ID, with an ID of \"ringline tasks\"")
        library = Library()
        worker, task = library.find(int(gdb.parse_and_eval(words[0])))
        options = words[1] if len(words) > 1 else ""
        if task["state"] in (RUNNING, RUNNING_NOTIFIED):
            gdb.write(bt_of_thread(worker["thread"], options))
        elif not task["fiber"]:
            gdb.write(f"it is stackless: {gdb.parse_and_eval('(void *)' + str(task['fn']))}({task['arg']:#x})\n")
        else:
            gdb.write(bt_of_fiber(library.fiber.at(task["fiber"])["sp"], options) + "\n")


Ringline()
Workers()
Tasks()
Backtrace()
