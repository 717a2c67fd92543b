/* The recorder's hot callbacks and its buffer in C: the same as core.py and buffer.py, and quicker.
 *
 * What is here runs for every task of the app; everything else stays Python.  The three rules of
 * core.py hold.  And one more thing does: a callback in C never comes to the eval breaker, so no
 * garbage collection, signal handler or switch of threads happens inside it, but where it calls
 * back into Python, which it does when it meets something for the first time.  No pointer into
 * anything that can grow is held across such a call.
 *
 * Cycles of references through these objects end where they pass through an object in Python: none
 * of them has to be cleared by the collector, and so none is ever half an object.
 *
 * Public C API as of CPython 3.12, but for one thing: where frames can be read in place, no frame
 * objects are made for them (see Frames).  The GIL protects all state: a free-threaded build gets the
 * core in Python (see setup.py and cores.py).
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifdef Py_GIL_DISABLED
#error "the core in C needs the GIL"
#endif
#if PY_VERSION_HEX < 0x030C0000
#error "sys.monitoring is new in Python 3.12"
#endif

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

/* ------------------------------------------------------------------------------------ the clock */

/* time.perf_counter_ns */
#if PY_VERSION_HEX >= 0x030D0000
static inline int64_t
now_ns(void)
{
    PyTime_t moment;
    (void)PyTime_PerfCounterRaw(&moment); /* it cannot fail where Python has started */
    return moment;
}
#elif defined(__linux__)
#include <time.h>
static inline int64_t
now_ns(void)
{
    struct timespec moment;
    (void)clock_gettime(CLOCK_MONOTONIC, &moment);
    return (int64_t)moment.tv_sec * 1000000000 + moment.tv_nsec;
}
#else
#error "before 3.13 the clock of time.perf_counter_ns is known for Linux only"
#endif

/* ------------------------------------------------------------------------------------- the state */

enum {
    /* methods of Names */
    NAME_THREAD, NAME_FUTURE, NAME_FUNCTION, NAME_POOL, NAME_FIND_SITE,
    NAMES
};

static const char *const NAME[NAMES] = {"thread", "future", "function", "pool", "find_site"};

typedef struct {
    PyTypeObject *counter_type, *table_type, *buffer_type, *callbacks_type;
    PyObject *disable;     /* sys.monitoring.DISABLE */
    PyObject *name[NAMES]; /* interned */
} State;

/* Schema.py's numbers of the hot events, and the ticks' length. */
enum { SUBMIT = 1, START = 2, FINISH = 3, FAIL = 4, READ = 5 };
#define TICK_NS 1000

/* ================================================================================= Counter ====
 * Numbers 1, 2, 3, ... by calling it, and quicker from C.
 */

typedef struct {
    PyObject_HEAD
    int64_t last;
} Counter;

static PyObject *
Counter_call(Counter *self, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return PyLong_FromLongLong(++self->last);
}

static void
Counter_dealloc(Counter *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(Counter_doc, "Call it for the next number; the first one is 1.");

static PyType_Slot Counter_slots[] = {
    {Py_tp_doc, (void *)Counter_doc},
    {Py_tp_call, Counter_call},
    {Py_tp_dealloc, Counter_dealloc},
    {0, NULL},
};

static PyType_Spec Counter_spec = {
    .name = "tprecord._core.Counter",
    .basicsize = sizeof(Counter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Counter_slots,
};

/* =================================================================================== Table ====
 * A dict from ids to numbers, for quick look-ups from C: open addressing with linear probing, at
 * most half full.  Objects that were allocated one after the other stand near each other.
 */

typedef struct {
    uint64_t key; /* 0: free */
    int64_t number;
} Entry;

typedef struct {
    PyObject_HEAD
    Entry *entries;
    uint64_t mask;
    Py_ssize_t used;
} Table;

static inline uint64_t
place_of(uint64_t key)
{
    return (key >> 4) + (key >> 20) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Return the entry of a key, or the free one where it belongs. */
static inline Entry *
table_entry(Table *table, uint64_t key)
{
    uint64_t place = place_of(key) & table->mask;
    while (table->entries[place].key != 0 && table->entries[place].key != key) {
        place = (place + 1) & table->mask;
    }
    return &table->entries[place];
}

/* Return a key's number, or 0: there is no such number. */
static inline int64_t
table_get(Table *table, uint64_t key)
{
    return table_entry(table, key)->number;
}

static int
table_grow(Table *table)
{
    uint64_t size = table->mask + 1;
    Entry *old = table->entries;
    Entry *new = PyMem_Calloc(size * 2, sizeof(Entry));
    if (new == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    table->entries = new;
    table->mask = size * 2 - 1;
    for (uint64_t i = 0; i < size; i++) {
        if (old[i].key != 0) {
            *table_entry(table, old[i].key) = old[i];
        }
    }
    PyMem_Free(old);
    return 0;
}

static int
table_set(Table *table, uint64_t key, int64_t number)
{
    Entry *entry = table_entry(table, key);
    if (entry->key == 0) {
        if ((uint64_t)table->used * 2 >= table->mask) {
            if (table_grow(table) < 0) {
                return -1;
            }
            entry = table_entry(table, key);
        }
        table->used++;
        entry->key = key;
    }
    entry->number = number;
    return 0;
}

static void
table_remove(Table *table, uint64_t key)
{
    Entry *entries = table->entries;
    uint64_t hole = (uint64_t)(table_entry(table, key) - entries);
    if (entries[hole].key == 0) {
        return;
    }
    table->used--;
    uint64_t next = hole;
    for (;;) {
        next = (next + 1) & table->mask;
        if (entries[next].key == 0) {
            break;
        }
        /* an entry moves up unless that would take it before the place where it belongs */
        uint64_t home = place_of(entries[next].key) & table->mask;
        if (((next - home) & table->mask) >= ((next - hole) & table->mask)) {
            entries[hole] = entries[next];
            hole = next;
        }
    }
    entries[hole].key = 0;
    entries[hole].number = 0;
}

/* Turn a Python int into a key; 0 with an exception set if it is none. */
static uint64_t
key_from(PyObject *key)
{
    uint64_t value = PyLong_AsUnsignedLongLong(key);
    if (value == 0 && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "0 is no id");
    }
    return value == (uint64_t)-1 && PyErr_Occurred() ? 0 : value;
}

static PyObject *
Table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Table() takes no arguments");
        return NULL;
    }
    Table *self = (Table *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->mask = 7;
    self->entries = PyMem_Calloc(self->mask + 1, sizeof(Entry));
    if (self->entries == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void
Table_dealloc(Table *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(self->entries);
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_ssize_t
Table_length(Table *self)
{
    return self->used;
}

static PyObject *
Table_subscript(Table *self, PyObject *key)
{
    uint64_t id = key_from(key);
    if (id == 0) {
        return NULL;
    }
    int64_t number = table_get(self, id);
    if (number == 0) {
        PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    return PyLong_FromLongLong(number);
}

static int
Table_ass_subscript(Table *self, PyObject *key, PyObject *value)
{
    uint64_t id = key_from(key);
    if (id == 0) {
        return -1;
    }
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "use pop()");
        return -1;
    }
    int64_t number = PyLong_AsLongLong(value);
    if (number <= 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "numbers begin with 1");
        }
        return -1;
    }
    return table_set(self, id, number);
}

static PyObject *
Table_get(Table *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_TypeError, "get() takes a key, and a default");
        return NULL;
    }
    uint64_t id = key_from(args[0]);
    if (id == 0) {
        return NULL;
    }
    int64_t number = table_get(self, id);
    return number != 0 ? PyLong_FromLongLong(number) : Py_NewRef(count == 2 ? args[1] : Py_None);
}

static PyObject *
Table_pop(Table *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *number = Table_get(self, args, count);
    if (number != NULL) {
        table_remove(self, key_from(args[0]));
    }
    return number;
}

static PyObject *
Table_values(Table *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *numbers = PyList_New(0);
    /* `self` is read anew at each step: the collector may run a finaliser that enters numbers */
    for (uint64_t i = 0; numbers != NULL && i <= self->mask; i++) {
        if (self->entries[i].key != 0) {
            PyObject *number = PyLong_FromLongLong(self->entries[i].number);
            if (number == NULL || PyList_Append(numbers, number) < 0) {
                Py_CLEAR(numbers);
            }
            Py_XDECREF(number);
        }
    }
    return numbers;
}

PyDoc_STRVAR(Table_doc, "A dict from ids to numbers: as much of a dict as the recorder needs.");

static PyMethodDef Table_methods[] = {
    {"get", (PyCFunction)(void (*)(void))Table_get, METH_FASTCALL, "As a dict's."},
    {"pop", (PyCFunction)(void (*)(void))Table_pop, METH_FASTCALL,
     "As a dict's, but for the default, which is None."},
    {"values", (PyCFunction)Table_values, METH_NOARGS, "A list of the numbers."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Table_slots[] = {
    {Py_tp_doc, (void *)Table_doc},
    {Py_tp_new, Table_new},
    {Py_tp_dealloc, Table_dealloc},
    {Py_tp_methods, Table_methods},
    {Py_mp_length, Table_length},
    {Py_mp_subscript, Table_subscript},
    {Py_mp_ass_subscript, Table_ass_subscript},
    {0, NULL},
};

static PyType_Spec Table_spec = {
    .name = "tprecord._core.Table",
    .basicsize = sizeof(Table),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Table_slots,
};

/* ================================================================================== Buffer ====
 * Events stand in it as the lines they will be: under the GIL it is known what comes before.
 */

typedef struct {
    PyObject_HEAD
    char *text;
    size_t used, allocated;
    Py_ssize_t events, numbers; /* in the text; `numbers` as buffer.py counts them */
    int64_t last_ticks;         /* moment of the last event that was added */
    size_t seen;                /* what `lines` has returned last: text, events and numbers */
    Py_ssize_t seen_events, seen_numbers;
    PyObject *definitions; /* list */
    PyObject *tell;        /* callable, or NULL */
    Py_ssize_t dropped, full;
} Buffer;

#define LONGEST 21     /* characters of a number and the comma or bracket after it */
#define LARGE (1 << 20) /* bytes that are worth giving back */

/* Write a number in decimal and return where it ends. */
static inline char *
write_number(char *out, int64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    if (number >= 0 && number < 10) {
        *out = (char)('0' + number);
        return out + 1;
    }
    uint64_t rest = (uint64_t)number;
    if (number < 0) {
        *out++ = '-';
        rest = 0 - rest;
    }
    char digits[20];
    char *first = digits + sizeof(digits);
    for (; rest >= 10; rest /= 100) {
        first -= 2;
        memcpy(first, pairs + rest % 100 * 2, 2);
    }
    if (rest != 0) {
        *--first = (char)('0' + rest);
    }
    size_t count = (size_t)(digits + sizeof(digits) - first);
    memcpy(out, first, count);
    return out + count;
}

static inline int64_t
ticks_of(int64_t moment_ns)
{
    int64_t ticks = moment_ns / TICK_NS;
    return ticks - (moment_ns % TICK_NS < 0); /* as Python's // */
}

/* Append an event.  The buffer is changed in one go, and then whoever wants to be told is told, which
 * may run any Python code.  -1 with an exception. */
static int
buffer_add(Buffer *self, int64_t kind, int64_t moment, int64_t thread, const int64_t *rest,
           Py_ssize_t count)
{
    if (self->tell != NULL && self->numbers >= self->full) {
        self->dropped++;
        return 0;
    }
    size_t needed = self->used + (size_t)(3 + count) * LONGEST + 2;
    if (needed > self->allocated) {
        size_t size = needed < 8192 ? 8192 : needed * 2;
        char *text = PyMem_Realloc(self->text, size);
        if (text == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->text = text;
        self->allocated = size;
    }
    int64_t ticks = ticks_of(moment);
    char *out = self->text + self->used;
    *out++ = '[';
    out = write_number(out, kind);
    *out++ = ',';
    out = write_number(out, ticks - self->last_ticks);
    *out++ = ',';
    out = write_number(out, thread);
    for (Py_ssize_t i = 0; i < count; i++) {
        *out++ = ',';
        out = write_number(out, rest[i]);
    }
    *out++ = ']';
    *out++ = '\n';
    self->used = (size_t)(out - self->text);
    self->last_ticks = ticks;
    self->events++;
    self->numbers += 4 + count;
    if (self->tell == NULL) {
        return 0;
    }
    PyObject *tell = Py_NewRef(self->tell);
    PyObject *done = PyObject_CallNoArgs(tell);
    Py_DECREF(tell);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Append an event whose further numbers are Python ints. */
static int
buffer_add_objects(Buffer *self, int64_t kind, int64_t moment, int64_t thread,
                   PyObject *const *rest, Py_ssize_t count)
{
    int64_t few[16], *numbers = few;
    if (count > 16) {
        numbers = PyMem_Malloc((size_t)count * sizeof(int64_t));
        if (numbers == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    int done = 0;
    for (Py_ssize_t i = 0; done == 0 && i < count; i++) {
        numbers[i] = PyLong_AsLongLong(rest[i]);
        done = numbers[i] == -1 && PyErr_Occurred() ? -1 : 0;
    }
    if (done == 0) {
        done = buffer_add(self, kind, moment, thread, numbers, count);
    }
    if (numbers != few) {
        PyMem_Free(numbers);
    }
    return done;
}

static PyObject *
Buffer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"origin_ns", "full", NULL};
    long long origin_ns, full = 1000000;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L|L:Buffer", names, &origin_ns, &full)) {
        return NULL;
    }
    Buffer *self = (Buffer *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->last_ticks = ticks_of(origin_ns);
    self->full = (Py_ssize_t)full;
    self->definitions = PyList_New(0);
    if (self->definitions == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
Buffer_traverse(Buffer *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->definitions);
    Py_VISIT(self->tell);
    return 0;
}

static void
Buffer_dealloc(Buffer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->definitions);
    Py_XDECREF(self->tell);
    PyMem_Free(self->text);
    type->tp_free(self);
    Py_DECREF(type);
}

static int
Buffer_bool(Buffer *self)
{
    return self->events != 0 || PyList_GET_SIZE(self->definitions) != 0;
}

static Py_ssize_t
Buffer_length(Buffer *self)
{
    return self->events + PyList_GET_SIZE(self->definitions);
}

static PyObject *
Buffer_get_tell(Buffer *self, void *closure)
{
    (void)closure;
    return Py_NewRef(self->tell != NULL ? self->tell : Py_None);
}

static int
Buffer_set_tell(Buffer *self, PyObject *value, void *closure)
{
    (void)closure;
    Py_XSETREF(self->tell, value == NULL || value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static PyObject *
Buffer_get_definitions(Buffer *self, void *closure)
{
    (void)closure;
    return Py_NewRef(self->definitions);
}

static PyObject *
Buffer_get_dropped(Buffer *self, void *closure)
{
    (void)closure;
    return PyLong_FromSsize_t(self->dropped);
}

static PyObject *
Buffer_add(Buffer *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "add() takes a kind, a thread and further numbers");
        return NULL;
    }
    long long kind = PyLong_AsLongLong(args[0]);
    long long thread = PyLong_AsLongLong(args[1]);
    if ((kind == -1 || thread == -1) && PyErr_Occurred()) {
        return NULL;
    }
    if (buffer_add_objects(self, kind, now_ns(), thread, args + 2, count - 2) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
Buffer_put(Buffer *self, PyObject *row)
{
    if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) < 4) {
        PyErr_SetString(PyExc_TypeError, "put() takes a tuple: None, kind, moment, thread, ...");
        return NULL;
    }
    PyObject *const *items = ((PyTupleObject *)row)->ob_item;
    int64_t head[3];
    for (int i = 0; i < 3; i++) {
        head[i] = PyLong_AsLongLong(items[1 + i]);
        if (head[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (buffer_add_objects(self, head[0], head[1], head[2], items + 4, PyTuple_GET_SIZE(row) - 4)
        < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
Buffer_lines(Buffer *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *lines = PyBytes_FromStringAndSize(self->text, (Py_ssize_t)self->used);
    PyObject *remove = PyObject_GetAttrString((PyObject *)self, "_remove");
    PyObject *both = lines != NULL && remove != NULL ? PyTuple_Pack(2, lines, remove) : NULL;
    Py_XDECREF(lines);
    Py_XDECREF(remove);
    if (both != NULL) {
        self->seen = self->used;
        self->seen_events = self->events;
        self->seen_numbers = self->numbers;
    }
    return both;
}

static PyObject *
Buffer_remove(Buffer *self, PyObject *Py_UNUSED(ignored))
{
    self->used -= self->seen;
    self->events -= self->seen_events;
    self->numbers -= self->seen_numbers;
    if (self->used != 0) {
        memmove(self->text, self->text + self->seen, self->used);
    }
    else if (self->allocated > LARGE) {
        PyMem_Free(self->text);
        self->text = NULL;
        self->allocated = 0;
    }
    self->seen = 0;
    self->seen_events = self->seen_numbers = 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(Buffer_doc, "Events and definitions on their way to the writer: see buffer.py.");

static PyMethodDef Buffer_methods[] = {
    {"add", (PyCFunction)(void (*)(void))Buffer_add, METH_FASTCALL,
     "Append an event of this moment: kind, thread, further numbers."},
    {"put", (PyCFunction)Buffer_put, METH_O, "Append an event: (None, kind, moment, thread, ...)."},
    {"lines", (PyCFunction)Buffer_lines, METH_NOARGS,
     "Return the lines of all events now in it, and what removes these events."},
    {"_remove", (PyCFunction)Buffer_remove, METH_NOARGS,
     "Remove the events that `lines` has returned last."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Buffer_getset[] = {
    {"definitions", (getter)Buffer_get_definitions, NULL, "what lines of events refer to", NULL},
    {"tell", (getter)Buffer_get_tell, (setter)Buffer_set_tell,
     "called after each event, where it is set", NULL},
    {"dropped", (getter)Buffer_get_dropped, NULL, "the events that found the buffer full", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Buffer_slots[] = {
    {Py_tp_doc, (void *)Buffer_doc},
    {Py_tp_new, Buffer_new},
    {Py_tp_dealloc, Buffer_dealloc},
    {Py_tp_traverse, Buffer_traverse},
    {Py_tp_methods, Buffer_methods},
    {Py_tp_getset, Buffer_getset},
    {Py_nb_bool, Buffer_bool},
    {Py_mp_length, Buffer_length},
    {0, NULL},
};

static PyType_Spec Buffer_spec = {
    .name = "tprecord._core.Buffer",
    .basicsize = sizeof(Buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Buffer_slots,
};

/* ================================================================================== Frames ====
 * The calls that are under way in this thread, from the innermost one on.  `Frame` is no owner where
 * frames are read in place; else it is, and `frame_back` and `frame_done` give it up.
 *
 * In place is how CPython's own frame objects read them (Python/pystate.c: PyThreadState_GetFrame,
 * Objects/frameobject.c: PyFrame_GetBack, PyFrame_GetLasti; Include/internal/pycore_frame.h), in the
 * versions this was checked with.  To make the objects takes most of the time of a callback.
 */

#if !defined(TPRECORD_FRAME_OBJECTS) && PY_VERSION_HEX < 0x030E0000 && defined(__has_include)
#if __has_include(<internal/pycore_frame.h>)
#define FRAMES_IN_PLACE 1
#endif
#endif

#ifdef FRAMES_IN_PLACE
#define Py_BUILD_CORE 1
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE

typedef struct _PyInterpreterFrame *Frame;

static inline Frame
frame_here(void)
{
    PyThreadState *tstate = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    return _PyFrame_GetFirstComplete(tstate->current_frame);
#else
    return _PyFrame_GetFirstComplete(tstate->cframe->current_frame);
#endif
}

static inline Frame
frame_back(Frame frame)
{
    return _PyFrame_GetFirstComplete(frame->previous);
}

static inline void
frame_done(Frame frame)
{
    (void)frame;
}

/* Return a frame's code, borrowed. */
static inline PyObject *
frame_code(Frame frame)
{
#if PY_VERSION_HEX >= 0x030D0000
    return (PyObject *)_PyFrame_GetCode(frame);
#else
    return (PyObject *)frame->f_code;
#endif
}

static inline int
frame_lasti(Frame frame)
{
    int lasti = _PyInterpreterFrame_LASTI(frame);
    return lasti < 0 ? -1 : lasti * (int)sizeof(_Py_CODEUNIT);
}

#else
typedef PyFrameObject *Frame;

static inline Frame
frame_here(void)
{
    return PyThreadState_GetFrame(PyThreadState_Get());
}

static inline Frame
frame_back(Frame frame)
{
    PyFrameObject *back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    return back;
}

static inline void
frame_done(Frame frame)
{
    Py_XDECREF(frame);
}

static inline PyObject *
frame_code(Frame frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_DECREF(code); /* the frame has it */
    return (PyObject *)code;
}

static inline int
frame_lasti(Frame frame)
{
    return PyFrame_GetLasti(frame);
}
#endif

/* A local variable of a function: where it is in each frame, and its name. */
typedef struct {
    PyObject *name;
    Py_ssize_t place; /* -1: not known */
} Variable;

/* Look for a variable of a function's code; -1 with an exception.  What is shared with inner functions
 * has no known place: there stands a cell. */
static int
variable_of(PyObject *code, const char *name, Variable *variable)
{
    variable->place = -1;
    variable->name = PyUnicode_InternFromString(name);
    PyObject *names = variable->name == NULL ? NULL : PyCode_GetVarnames((PyCodeObject *)code);
    PyObject *cells = names == NULL ? NULL : PyCode_GetCellvars((PyCodeObject *)code);
    int shared = cells == NULL ? -1 : PySequence_Contains(cells, variable->name);
    for (Py_ssize_t i = 0; shared == 0 && i < PyTuple_GET_SIZE(names); i++) {
        if (PyUnicode_Compare(PyTuple_GET_ITEM(names, i), variable->name) == 0) {
            variable->place = i;
        }
    }
    Py_XDECREF(names);
    Py_XDECREF(cells);
    return shared < 0 ? -1 : 0;
}

/* Return a variable's value, or NULL with an exception if it is not set. */
static PyObject *
frame_variable(Frame frame, const Variable *variable)
{
#ifdef FRAMES_IN_PLACE
    PyObject *value = variable->place < 0 ? NULL : frame->localsplus[variable->place];
    if (value == NULL) {
        PyErr_Format(PyExc_NameError, "no local variable %R", variable->name);
        return NULL;
    }
    return Py_NewRef(value);
#else
    return PyFrame_GetVar(frame, variable->name);
#endif
}

/* =================================================================================== Sites ====
 * The call stacks known so far, as a tree: (node, step) -> node, or the number of a site.  A step is
 * the address of the instruction a frame is at; see `Steps` in names.py.
 */

typedef struct {
    uint64_t step;
    int64_t node;  /* 0: the root */
    int64_t found; /* n >= 0: site n; -n: node n */
    int taken;
} Step;

typedef struct {
    Step *steps;
    uint64_t mask; /* 0: nothing allocated yet */
    uint64_t used;
    int64_t nodes;
} Tree;

static Step *
tree_step(Tree *tree, int64_t node, uint64_t step)
{
    uint64_t place = (step + (uint64_t)node * UINT64_C(0xD1B54A32D192ED03)) * UINT64_C(0x9E3779B97F4A7C15);
    place = (place >> 32) & tree->mask;
    while (tree->steps[place].taken
           && (tree->steps[place].step != step || tree->steps[place].node != node)) {
        place = (place + 1) & tree->mask;
    }
    return &tree->steps[place];
}

static int
tree_set(Tree *tree, int64_t node, uint64_t step, int64_t found)
{
    if (tree->used * 2 >= tree->mask) {
        uint64_t size = tree->mask == 0 ? 64 : (tree->mask + 1) * 2;
        Tree bigger = {PyMem_Calloc(size, sizeof(Step)), size - 1, tree->used, tree->nodes};
        if (bigger.steps == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (tree->mask != 0) {
            for (uint64_t i = 0; i <= tree->mask; i++) {
                if (tree->steps[i].taken) {
                    *tree_step(&bigger, tree->steps[i].node, tree->steps[i].step) = tree->steps[i];
                }
            }
        }
        PyMem_Free(tree->steps);
        *tree = bigger;
    }
    Step *place = tree_step(tree, node, step);
    tree->used += !place->taken;
    *place = (Step){step, node, found, 1};
    return 0;
}

/* =============================================================================== Callbacks ====
 * For one recording: as the functions of core.py.
 */

/* What it refers to: of the recording, of its handlers (dicts from the id of code), and hot. */
#define REFERENCES(EACH) \
    EACH(buffer) EACH(names) EACH(futures) EACH(pools) EACH(functions) EACH(next_future) \
    EACH(trouble) EACH(between) EACH(calls) EACH(starts) EACH(returns) EACH(natives) \
    EACH(set_running) EACH(set_result) EACH(set_exception) EACH(get_result) \
    EACH(future_init) EACH(item_init) EACH(submit)

/* Local variables: of `submit`, and `self` of the future's `__init__`. */
#define VARIABLES(EACH) EACH(executor) EACH(fn) EACH(args) EACH(future)

typedef struct {
    PyObject_HEAD
    State *state;
    uint64_t serial; /* no two of these have had the same */
    Tree tree;
    Buffer *buffer;
    Table *futures, *pools, *functions;
    PyObject *names, *next_future, *trouble, *between, *calls, *starts, *returns, *natives;
    PyObject *set_running, *set_result, *set_exception, *get_result;
    PyObject *future_init, *item_init, *submit;
    Variable executor, fn, args, future;
} Callbacks;

static uint64_t last_serial; /* the GIL protects it: see Py_mod_multiple_interpreters */

/* The number of the calling thread, for the callbacks that have asked last. */
static THREAD_LOCAL struct {
    uint64_t serial;
    int64_t number;
} me;

/* Take a number out of an object that is given up; -1 with an exception if there is none. */
static int64_t
number_from(PyObject *object)
{
    if (object == NULL) {
        return -1;
    }
    int64_t number = PyLong_AsLongLong(object);
    Py_DECREF(object);
    return number;
}

/* Return the calling thread's number; -1 with an exception.  A thread has one number for good. */
static inline int64_t
thread_number(Callbacks *self)
{
    if (me.serial == self->serial) {
        return me.number;
    }
    int64_t number = number_from(PyObject_CallMethodNoArgs(self->names, self->state->name[NAME_THREAD]));
    if (number >= 0) {
        me.serial = self->serial;
        me.number = number;
    }
    return number;
}

static inline int64_t
task_number(Callbacks *self, PyObject *future)
{
    int64_t number = table_get(self->futures, (uintptr_t)future);
    if (number != 0) {
        return number;
    }
    return number_from(
        PyObject_CallMethodOneArg(self->names, self->state->name[NAME_FUTURE], future));
}

static inline uint64_t
step_of(Frame frame)
{
    return (uintptr_t)frame_code(frame) + (uint64_t)(int64_t)frame_lasti(frame);
}

/* Return the object of the frame `level` calls out; None if there is none. */
static PyObject *
frame_object(int level)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    while (frame != NULL && level-- > 0) {
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    return frame != NULL ? (PyObject *)frame : Py_NewRef(Py_None);
}

/* Have a call stack that is new given a number, and enter its steps into the tree. */
static int64_t
new_site(Callbacks *self, int level)
{
    PyObject *caller = frame_object(level);
    PyObject *found =
        PyObject_CallMethodOneArg(self->names, self->state->name[NAME_FIND_SITE], caller);
    Py_DECREF(caller);
    if (found == NULL) {
        return -1;
    }
    int64_t number = -1;
    PyObject *path = NULL;
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 2
        || !PyList_Check(path = PyTuple_GET_ITEM(found, 1)) || PyList_GET_SIZE(path) == 0) {
        PyErr_SetString(PyExc_TypeError, "find_site() returns a number and a list of steps");
        goto done;
    }
    int64_t site = PyLong_AsLongLong(PyTuple_GET_ITEM(found, 0));
    if (site < 0) {
        goto done;
    }
    int64_t node = 0;
    Tree *tree = &self->tree;
    Py_ssize_t last = PyList_GET_SIZE(path) - 1;
    for (Py_ssize_t i = 0; i <= last; i++) {
        uint64_t step = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(path, i));
        if (step == (uint64_t)-1 && PyErr_Occurred()) {
            goto done;
        }
        if (i == last) {
            if (tree_set(tree, node, step, site) < 0) {
                goto done;
            }
            break;
        }
        Step *place = tree->mask != 0 ? tree_step(tree, node, step) : NULL;
        if (place != NULL && place->taken && place->found < 0) {
            node = -place->found;
            continue;
        }
        if (tree_set(tree, node, step, -(tree->nodes + 1)) < 0) {
            goto done;
        }
        node = ++tree->nodes;
    }
    number = site;
done:
    Py_DECREF(found);
    return number;
}

/* Return the number of the call stack that begins `level` calls out; -1 with an exception. */
static int64_t
site_number(Callbacks *self, int level)
{
    if (self->tree.mask == 0) {
        return new_site(self, level);
    }
    Frame here = frame_here();
    for (int i = 0; i < level && here != NULL; i++) {
        here = frame_back(here);
    }
    int64_t node = 0;
    for (;;) {
        Step *step = tree_step(&self->tree, node, here != NULL ? step_of(here) : 0);
        if (!step->taken) {
            frame_done(here);
            return new_site(self, level);
        }
        if (step->found >= 0) {
            frame_done(here);
            return step->found;
        }
        node = -step->found;
        here = here != NULL ? frame_back(here) : NULL;
    }
}

/* ---------------------------------------------------------------------------- the hot events */

static inline int
record(Callbacks *self, int64_t kind, PyObject *future)
{
    int64_t thread = thread_number(self);
    int64_t task = thread < 0 ? -1 : task_number(self, future);
    if (task < 0) {
        return -1;
    }
    return buffer_add(self->buffer, kind, now_ns(), thread, &task, 1);
}

static int
record_read(Callbacks *self, PyObject *future)
{
    int64_t thread = thread_number(self);
    int64_t site = thread < 0 ? -1 : site_number(self, 1);
    int64_t task = site < 0 ? -1 : task_number(self, future);
    if (task < 0) {
        return -1;
    }
    int64_t rest[] = {task, site};
    return buffer_add(self->buffer, READ, now_ns(), thread, rest, 2);
}

/* Return the number of the function that the task of `submit`, in the frame `here`, calls. */
static int64_t
function_number(Callbacks *self, Frame here)
{
    PyObject *fn = frame_variable(here, &self->fn);
    if (fn == NULL) {
        return -1;
    }
    int64_t number = 0;
    if (PyFunction_Check(fn)) { /* an exact check: there are no subclasses */
        number = table_get(self->functions, (uintptr_t)PyFunction_GET_CODE(fn));
        if (number == 0) {
            number = number_from(
                PyObject_CallMethodOneArg(self->names, self->state->name[NAME_FUNCTION], fn));
        }
    }
    else {
        PyObject *args = frame_variable(here, &self->args);
        PyObject *arguments[] = {self->names, fn, args};
        number = args == NULL ? -1
                              : number_from(PyObject_VectorcallMethod(
                                  self->state->name[NAME_FUNCTION], arguments, 3, NULL));
        Py_XDECREF(args);
    }
    Py_DECREF(fn);
    return number;
}

static int64_t
pool_number(Callbacks *self, Frame here)
{
    PyObject *executor = frame_variable(here, &self->executor);
    if (executor == NULL) {
        return -1;
    }
    int64_t number = table_get(self->pools, (uintptr_t)executor);
    if (number == 0) {
        number = number_from(
            PyObject_CallMethodOneArg(self->names, self->state->name[NAME_POOL], executor));
    }
    Py_DECREF(executor);
    return number;
}

static int64_t
next_task_number(Callbacks *self)
{
    if (Py_IS_TYPE(self->next_future, self->state->counter_type)) {
        return ++((Counter *)self->next_future)->last;
    }
    return number_from(PyObject_CallNoArgs(self->next_future));
}

/* Record the task whose future `submit` makes: the future's `__init__` has just begun. */
static int
record_submit(Callbacks *self)
{
    int64_t thread = thread_number(self);
    int64_t site = thread < 0 ? -1 : site_number(self, 2);
    if (site < 0) {
        return -1;
    }
    Frame birth = frame_here();
    PyObject *future = frame_variable(birth, &self->future);
    Frame here = frame_back(birth);
    int64_t function = future == NULL ? -1 : function_number(self, here);
    int64_t pool = function < 0 ? -1 : pool_number(self, here);
    frame_done(here);
    int64_t task = pool < 0 ? -1 : next_task_number(self);
    int done = task < 0 ? -1 : table_set(self->futures, (uintptr_t)future, task);
    Py_XDECREF(future); /* the caller has it */
    if (done < 0) {
        return -1;
    }
    int64_t rest[] = {task, pool, function, site};
    return buffer_add(self->buffer, SUBMIT, now_ns(), thread, rest, 4);
}

/* ----------------------------------------------------------------- what sys.monitoring calls */

/* Hand an exception to `trouble`, which raises it again if it is the app's. */
static PyObject *
troubled(Callbacks *self, PyObject *code)
{
    PyObject *error = PyErr_GetRaisedException();
    PyObject *arguments[] = {error, code};
    PyObject *done = PyObject_Vectorcall(self->trouble, arguments, 2, NULL);
    Py_DECREF(error);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    Py_RETURN_NONE;
}

/* Call a code object's handler, if it has one, or switch the place off; take care of trouble. */
static PyObject *
handled(Callbacks *self, PyObject *handlers, PyObject *code, PyObject *otherwise,
        PyObject *const *args, size_t count)
{
    PyObject *result = NULL;
    PyObject *key = PyLong_FromVoidPtr(code);
    PyObject *handler = key != NULL ? PyDict_GetItemWithError(handlers, key) : NULL;
    Py_XDECREF(key);
    if (handler != NULL) {
        PyObject *all[3] = {Py_NewRef(handler)};
        for (size_t i = 0; i < count; i++) {
            all[1 + i] = args[i];
        }
        result = PyObject_Vectorcall(self->between, all, 1 + count, NULL);
        Py_DECREF(handler);
    }
    else if (!PyErr_Occurred()) {
        result = Py_NewRef(otherwise);
    }
    return result != NULL ? result : troubled(self, code);
}

static int
takes(Py_ssize_t count, Py_ssize_t wanted)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "a callback takes %zd arguments, not %zd", wanted, count);
        return 0;
    }
    return 1;
}

static PyObject *
Callbacks_on_call(Callbacks *self, PyObject *const *args, Py_ssize_t count)
{
    if (!takes(count, 4)) {
        return NULL;
    }
    PyObject *callee = args[2], *first = args[3];
    int done;
    if (callee == self->set_running) {
        done = record(self, START, first);
    }
    else if (callee == self->set_result) {
        done = record(self, FINISH, first);
    }
    else if (callee == self->get_result) {
        done = record_read(self, first);
    }
    else if (callee == self->set_exception) {
        done = record(self, FAIL, first);
    }
    else {
        return handled(self, self->calls, args[0], self->state->disable, args + 2, 2);
    }
    if (done < 0) {
        return troubled(self, args[0]);
    }
    Py_RETURN_NONE;
}

static PyObject *
Callbacks_on_start(Callbacks *self, PyObject *const *args, Py_ssize_t count)
{
    if (!takes(count, 2)) {
        return NULL;
    }
    if (args[0] == self->future_init || args[0] == self->item_init) {
        Frame here = frame_here();
        Frame caller = here != NULL ? frame_back(here) : NULL;
        int submits = caller != NULL && frame_code(caller) == self->submit;
        frame_done(caller);
        if (submits) {
            if (args[0] == self->future_init && record_submit(self) < 0) {
                return troubled(self, args[0]);
            }
            Py_RETURN_NONE;
        }
    }
    return handled(self, self->starts, args[0], self->state->disable, NULL, 0);
}

static PyObject *
Callbacks_on_return(Callbacks *self, PyObject *const *args, Py_ssize_t count)
{
    if (!takes(count, 3)) {
        return NULL;
    }
    return handled(self, self->returns, args[0], self->state->disable, args + 2, 1);
}

static PyObject *
Callbacks_on_native_return(Callbacks *self, PyObject *const *args, Py_ssize_t count)
{
    if (!takes(count, 4)) {
        return NULL;
    }
    PyObject *raised[] = {Py_False};
    PyObject *result = handled(self, self->natives, args[0], Py_None, raised, 1);
    if (result != NULL) { /* these events cannot be switched off */
        Py_SETREF(result, Py_NewRef(Py_None));
    }
    return result;
}

static PyObject *
Callbacks_on_native_raise(Callbacks *self, PyObject *const *args, Py_ssize_t count)
{
    if (!takes(count, 4)) {
        return NULL;
    }
    PyObject *raised[] = {Py_True};
    PyObject *result = handled(self, self->natives, args[0], Py_None, raised, 1);
    if (result != NULL) {
        Py_SETREF(result, Py_NewRef(Py_None));
    }
    return result;
}

static PyObject *
Callbacks_emit(Callbacks *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "emit() takes a kind and further numbers");
        return NULL;
    }
    long long kind = PyLong_AsLongLong(args[0]);
    if (kind == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int64_t thread = thread_number(self);
    if (thread < 0
        || buffer_add_objects(self->buffer, kind, now_ns(), thread, args + 1, count - 1) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------------------------- its life */

static int
Callbacks_traverse(Callbacks *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
#define VISIT(field) Py_VISIT(self->field);
    REFERENCES(VISIT)
#define VISIT_NAME(field) Py_VISIT(self->field.name);
    VARIABLES(VISIT_NAME)
    return 0;
}

static void
Callbacks_dealloc(Callbacks *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
#define GIVE_UP(field) Py_XDECREF(self->field);
    REFERENCES(GIVE_UP)
#define GIVE_UP_NAME(field) Py_XDECREF(self->field.name);
    VARIABLES(GIVE_UP_NAME)
    PyMem_Free(self->tree.steps);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Get an attribute that must be of a type; -1 with an exception if it is not. */
static int
attribute(PyObject *object, const char *name, PyTypeObject *type, void *place)
{
    /* interned: CPython's cache of attributes keeps a new string each time, by its address */
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *value = interned == NULL ? NULL : PyObject_GetAttr(object, interned);
    Py_XDECREF(interned);
    if (value != NULL && type != NULL && !Py_IS_TYPE(value, type)) {
        PyErr_Format(PyExc_TypeError, "%s must be a %s, not %R", name, type->tp_name, value);
        Py_CLEAR(value);
    }
    *(PyObject **)place = value;
    return value == NULL ? -1 : 0;
}

static PyObject *
Callbacks_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *state = PyType_GetModuleState(type); /* there are no subclasses */
    if (state == NULL) {
        return NULL;
    }
    PyObject *buffer, *names, *hot, *handlers, *trouble;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Callbacks() takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!OOOO:Callbacks", state->buffer_type, &buffer, &names, &hot,
                          &handlers, &trouble)) {
        return NULL;
    }
    Callbacks *self = (Callbacks *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->serial = ++last_serial;
    self->buffer = (Buffer *)Py_NewRef(buffer);
    self->names = Py_NewRef(names);
    self->trouble = Py_NewRef(trouble);
    if (attribute(names, "futures", state->table_type, &self->futures) < 0
        || attribute(names, "pools", state->table_type, &self->pools) < 0
        || attribute(names, "functions", state->table_type, &self->functions) < 0
        || attribute(names, "next_future", NULL, &self->next_future) < 0
        || attribute(handlers, "calls", &PyDict_Type, &self->calls) < 0
        || attribute(handlers, "starts", &PyDict_Type, &self->starts) < 0
        || attribute(handlers, "returns", &PyDict_Type, &self->returns) < 0
        || attribute(handlers, "natives", &PyDict_Type, &self->natives) < 0
        || attribute(handlers, "between", NULL, &self->between) < 0
        || attribute(hot, "set_running", NULL, &self->set_running) < 0
        || attribute(hot, "set_result", NULL, &self->set_result) < 0
        || attribute(hot, "set_exception", NULL, &self->set_exception) < 0
        || attribute(hot, "get_result", NULL, &self->get_result) < 0
        || attribute(hot, "future_init", NULL, &self->future_init) < 0
        || attribute(hot, "item_init", NULL, &self->item_init) < 0
        || attribute(hot, "submit", NULL, &self->submit) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (PyCode_Check(self->submit) && PyCode_Check(self->future_init)
        && (variable_of(self->submit, "self", &self->executor) < 0
            || variable_of(self->submit, "fn", &self->fn) < 0
            || variable_of(self->submit, "args", &self->args) < 0
            || variable_of(self->future_init, "self", &self->future) < 0)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(Callbacks_doc,
             "The callbacks of one recording: (buffer, names, hot, handlers, trouble).  See core.py.");

#define FAST(name) (PyCFunction)(void (*)(void))name, METH_FASTCALL
static PyMethodDef Callbacks_methods[] = {
    {"on_call", FAST(Callbacks_on_call), "The callback for CALL."},
    {"on_start", FAST(Callbacks_on_start), "The callback for PY_START."},
    {"on_return", FAST(Callbacks_on_return), "The callback for PY_RETURN."},
    {"on_native_return", FAST(Callbacks_on_native_return), "The callback for C_RETURN."},
    {"on_native_raise", FAST(Callbacks_on_native_raise), "The callback for C_RAISE."},
    {"emit", FAST(Callbacks_emit), "Append an event of the calling thread: kind, further numbers."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Callbacks_slots[] = {
    {Py_tp_doc, (void *)Callbacks_doc},
    {Py_tp_new, Callbacks_new},
    {Py_tp_dealloc, Callbacks_dealloc},
    {Py_tp_traverse, Callbacks_traverse},
    {Py_tp_methods, Callbacks_methods},
    {0, NULL},
};

static PyType_Spec Callbacks_spec = {
    .name = "tprecord._core.Callbacks",
    .basicsize = sizeof(Callbacks),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Callbacks_slots,
};

/* ================================================================================== the module */

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **place)
{
    *place = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *place == NULL ? -1 : PyModule_AddType(module, *place);
}

static int
module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    for (int i = 0; i < NAMES; i++) {
        state->name[i] = PyUnicode_InternFromString(NAME[i]);
        if (state->name[i] == NULL) {
            return -1;
        }
    }
    PyObject *monitoring = PySys_GetObject("monitoring"); /* borrowed */
    if (monitoring == NULL) {
        PyErr_SetString(PyExc_ImportError, "there is no sys.monitoring");
        return -1;
    }
    state->disable = PyObject_GetAttrString(monitoring, "DISABLE");
    return state->disable == NULL
                   || add_type(module, &Counter_spec, &state->counter_type) < 0
                   || add_type(module, &Table_spec, &state->table_type) < 0
                   || add_type(module, &Buffer_spec, &state->buffer_type) < 0
                   || add_type(module, &Callbacks_spec, &state->callbacks_type) < 0
               ? -1
               : 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->counter_type);
    Py_VISIT(state->table_type);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->callbacks_type);
    Py_VISIT(state->disable);
    return 0;
}

static int
module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->counter_type);
    Py_CLEAR(state->table_type);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->callbacks_type);
    Py_CLEAR(state->disable);
    for (int i = 0; i < NAMES; i++) {
        Py_CLEAR(state->name[i]);
    }
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED}, /* that share a GIL */
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tprecord._core",
    .m_doc = "The recorder's hot callbacks and its buffer in C.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
