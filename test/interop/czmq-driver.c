/*
 *  czmq-driver: any number of real CZMQ zgossip actors in one process, driven by lines.
 *
 *  One command is one line on stdin, one answer is one line on stdout. Fields are separated by exactly one blank, so a
 *  field may be empty; every octet outside '!'..'~', and '%' itself, is written as %XX in both directions.
 *
 *      new NAME                                    NAME READY
 *      send NAME FIELD...                          (one multipart message down the actor's pipe, no answer of ours)
 *      destroy NAME                                NAME DESTROYED
 *      publish NAME PREFIX COUNT SIZE [FILL]       NAME PUBLISHED COUNT  once all are down the pipe; keys are
 *                                                  PREFIX000001.., values SIZE times the letter FILL (default v)
 *      quiet NAME                                  NAME QUIET            from now on DELIVERs are counted, not printed
 *      count NAME                                  NAME COUNT n          DELIVERs since the actor was made
 *      await NAME n                                NAME REACHED n elapsed-ns absolute-ns    once it counted n of them
 *      mark                                        - MARK absolute-ns    zero of the elapsed times above
 *      zconfig-load FILE                           - ZCONFIG LOADED (LEVEL NAME VALUE)...    every item in order, the
 *                                                  root left out; - ZCONFIG REFUSED where zconfig_load says no
 *      zconfig-save FILE TARGET                    - ZCONFIG SAVED    what was loaded from the one, in the other
 *      quit (or end of input)                      - BYE
 *
 *  What an actor says is printed as NAME FIELD... ; NAME ENDED tells that an actor's thread ended by itself, and
 *  - ERROR text that a command made no sense. Times are CLOCK_MONOTONIC, comparable between processes of one machine.
 *
 *  An actor whose application does not read stalls after a pipe full of DELIVERs, and a command sent to a stalled actor
 *  would wait for ever. So nothing here blocks on one pipe: whoever must wait reads all the others meanwhile.
 */
#include <czmq.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define BATCH 256               //  messages per actor and turn, so that none starves the others

typedef struct {
    char *name;
    zactor_t *actor;
    bool ended;                 //  the actor's thread is gone
    bool quiet;
    uint64_t count;             //  DELIVERs so far
    uint64_t last_at;           //  when the last of them was read
    uint64_t awaited;           //  0: nobody waits
    char *prefix;               //  NULL: nothing to publish
    char *value;
    uint64_t publish_next;
    uint64_t publish_count;
} node_t;

static FILE *answers;            //  our stdout; CZMQ's log shares the name, not the file
static zhashx_t *nodes;
static zpoller_t *poller;
static uint64_t marked_at;

static uint64_t
s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

//  ---------------------------------------------------------------------------------------------------------------------
//  Fields

static void
s_put_field (const byte *data, size_t size)
{
    for (size_t index = 0; index < size; index++)
        if (data [index] < '!' || data [index] > '~' || data [index] == '%')
            fprintf (answers, "%%%02X", data [index]);
        else
            putc (data [index], answers);
}

static int
s_hex (char digit)
{
    const char *digits = "0123456789ABCDEF";
    const char *found = digit? strchr (digits, toupper ((byte) digit)): NULL;
    return found? (int) (found - digits): -1;
}

//  Decodes in place, returns the number of octets. What does not look like %XX stays as it is.
static size_t
s_decode_field (char *field)
{
    char *out = field;
    for (char *in = field; *in; in++) {
        if (*in == '%' && s_hex (in [1]) >= 0 && s_hex (in [2]) >= 0) {
            *out++ = (char) (s_hex (in [1]) * 16 + s_hex (in [2]));
            in += 2;
        }
        else
            *out++ = *in;
    }
    *out = 0;
    return (size_t) (out - field);
}

//  ---------------------------------------------------------------------------------------------------------------------
//  Actors

static void
s_node_stop_publishing (node_t *self)
{
    zstr_free (&self->prefix);
    free (self->value);
    self->value = NULL;
}

static void
s_node_destroy (void **self_p)
{
    node_t *self = (node_t *) *self_p;
    if (self) {
        zpoller_remove (poller, self->actor);
        zactor_destroy (&self->actor);
        s_node_stop_publishing (self);
        zstr_free (&self->name);
        free (self);
        *self_p = NULL;
    }
}

static void
s_node_answer_await (node_t *self)
{
    if (self->awaited && self->count >= self->awaited) {
        fprintf (answers, "%s REACHED %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
            self->name, self->awaited, self->last_at - marked_at, self->last_at);
        self->awaited = 0;
    }
}

//  Reads up to BATCH messages of the actor, frame by frame so that any octets pass.
static void
s_node_drain (node_t *self)
{
    for (int turn = 0; turn < BATCH && !self->ended; turn++) {
        if (!(zsock_events (self->actor) & ZMQ_POLLIN))
            return;
        zmsg_t *msg = zmsg_recv (self->actor);
        if (!msg)
            return;
        if (zmsg_signal (msg) >= 0) {
            self->ended = true;
            zpoller_remove (poller, self->actor);
            fprintf (answers, "%s ENDED\n", self->name);
        }
        else {
            bool deliver = zframe_streq (zmsg_first (msg), "DELIVER");
            if (deliver) {
                self->count++;
                self->last_at = s_now ();
            }
            if (!(deliver && self->quiet)) {
                fputs (self->name, answers);
                for (zframe_t *frame = zmsg_first (msg); frame; frame = zmsg_next (msg)) {
                    putc (' ', answers);
                    s_put_field (zframe_data (frame), zframe_size (frame));
                }
                putc ('\n', answers);
            }
            if (deliver)
                s_node_answer_await (self);
        }
        zmsg_destroy (&msg);
    }
}

static bool
s_node_writable (node_t *self)
{
    return !self->ended && (zsock_events (self->actor) & ZMQ_POLLOUT);
}

//  Hands on up to BATCH of the tuples still to publish; true where there was room for at least one.
static bool
s_node_publish (node_t *self)
{
    bool progress = false;
    for (int turn = 0; turn < BATCH && self->prefix && s_node_writable (self); turn++) {
        char key [300];
        snprintf (key, sizeof (key), "%s%06" PRIu64, self->prefix, ++self->publish_next);
        zstr_sendx (self->actor, "PUBLISH", key, self->value, NULL);
        progress = true;
        if (self->publish_next == self->publish_count) {
            fprintf (answers, "%s PUBLISHED %" PRIu64 "\n", self->name, self->publish_count);
            s_node_stop_publishing (self);
        }
    }
    return progress;
}

static void
s_drain_all (void)
{
    for (node_t *node = zhashx_first (nodes); node; node = zhashx_next (nodes))
        s_node_drain (node);
}

//  Waits until the actor takes a command, reading everybody meanwhile; false where the actor is gone.
static bool
s_node_wait_writable (node_t *self)
{
    while (!self->ended && !s_node_writable (self)) {
        zpoller_wait (poller, 1);
        s_drain_all ();
        fflush (answers);
    }
    return !self->ended;
}

//  ---------------------------------------------------------------------------------------------------------------------
//  Commands

static void
s_new (const char *name)
{
    node_t *self = (node_t *) zmalloc (sizeof (node_t));
    self->name = strdup (name);
    self->actor = zactor_new (zgossip, self->name);
    assert (self->actor);
    zpoller_add (poller, self->actor);
    zhashx_insert (nodes, name, self);
    fprintf (answers, "%s READY\n", name);
}

static void
s_send (node_t *self, char **rest)
{
    zmsg_t *msg = zmsg_new ();
    char *field;
    while ((field = strsep (rest, " "))) {
        size_t size = s_decode_field (field);
        zmsg_addmem (msg, field, size);
    }
    if (s_node_wait_writable (self))
        zmsg_send (&msg, self->actor);
    zmsg_destroy (&msg);
}

static const char *
s_publish (node_t *self, char **rest)
{
    char *prefix = strsep (rest, " ");
    char *count = strsep (rest, " ");
    char *size = strsep (rest, " ");
    char *fill = strsep (rest, " ");
    if (!size || strtoull (count, NULL, 10) == 0)
        return "publish needs NAME PREFIX COUNT SIZE [FILL]";
    if (self->prefix)
        return "publish is still busy with the last one";
    s_decode_field (prefix);
    size_t octets = strtoull (size, NULL, 10);
    self->prefix = strdup (prefix);
    self->value = (char *) zmalloc (octets + 1);
    memset (self->value, fill && *fill? *fill: 'v', octets);
    self->publish_next = 0;
    self->publish_count = strtoull (count, NULL, 10);
    return NULL;
}

static int
s_put_item (zconfig_t *item, void *arg, int level)
{
    const char *value = zconfig_value (item);
    if (level > 0) {
        fprintf (answers, " %d ", level);
        s_put_field ((const byte *) zconfig_name (item), strlen (zconfig_name (item)));
        putc (' ', answers);
        if (value)
            s_put_field ((const byte *) value, strlen (value));
    }
    return 0;
}

static const char *
s_zconfig (const char *command, char **rest)
{
    char *file = strsep (rest, " ");
    char *target = strsep (rest, " ");
    bool save = streq (command, "zconfig-save");
    if (!file || (save && !target))
        return "zconfig-load needs FILE, zconfig-save FILE TARGET";
    s_decode_field (file);
    zconfig_t *config = zconfig_load (file);
    if (!config)
        fputs ("- ZCONFIG REFUSED\n", answers);
    else
    if (save) {
        s_decode_field (target);
        fprintf (answers, "- ZCONFIG %s\n", zconfig_save (config, target)? "REFUSED": "SAVED");
    }
    else {
        fputs ("- ZCONFIG LOADED", answers);
        zconfig_execute (config, s_put_item, NULL);
        putc ('\n', answers);
    }
    zconfig_destroy (&config);
    return NULL;
}

//  Runs one line, returns what is wrong with it, or NULL.
static const char *
s_execute (char *line)
{
    char *rest = line;
    char *command = strsep (&rest, " ");
    if (streq (command, "mark")) {
        marked_at = s_now ();
        fprintf (answers, "- MARK %" PRIu64 "\n", marked_at);
        return NULL;
    }
    if (streq (command, "zconfig-load") || streq (command, "zconfig-save"))
        return s_zconfig (command, &rest);
    char *name = strsep (&rest, " ");
    if (!name)
        return "command needs a NAME";
    node_t *node = (node_t *) zhashx_lookup (nodes, name);
    if (streq (command, "new")) {
        if (node)
            return "NAME exists";
        s_new (name);
        return NULL;
    }
    if (!node)
        return "no such NAME";
    if (streq (command, "send"))
        s_send (node, &rest);
    else
    if (streq (command, "destroy")) {
        s_node_wait_writable (node);
        zhashx_delete (nodes, name);
        fprintf (answers, "%s DESTROYED\n", name);
    }
    else
    if (streq (command, "publish"))
        return s_publish (node, &rest);
    else
    if (streq (command, "quiet")) {
        node->quiet = true;
        fprintf (answers, "%s QUIET\n", name);
    }
    else
    if (streq (command, "count"))
        fprintf (answers, "%s COUNT %" PRIu64 "\n", name, node->count);
    else
    if (streq (command, "await") && rest) {
        node->awaited = strtoull (rest, NULL, 10);
        s_node_answer_await (node);
    }
    else
        return "unknown command";
    return NULL;
}

//  stdin without stdio: what stdio has buffered is invisible to a poller. Returns false at quit and at end of input.
static bool
s_read_commands (void)
{
    static char *buffer = NULL;
    static size_t used = 0, room = 0;

    if (room - used < 65536) {
        room = room * 2 + 65537;
        buffer = (char *) realloc (buffer, room);
        assert (buffer);
    }
    ssize_t got = read (STDIN_FILENO, buffer + used, room - used - 1);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    used += (size_t) got;
    buffer [used] = 0;

    char *line = buffer;
    char *end;
    while ((end = (char *) memchr (line, '\n', used - (size_t) (line - buffer)))) {
        *end = 0;
        if (streq (line, "quit"))
            return false;
        const char *wrong = *line? s_execute (line): NULL;
        if (wrong)
            fprintf (answers, "- ERROR %s\n", wrong);
        line = end + 1;
    }
    used -= (size_t) (line - buffer);
    memmove (buffer, line, used);
    return true;
}

int
main (void)
{
#ifdef __linux__
    prctl (PR_SET_PDEATHSIG, SIGKILL);      //  a stopped driver must not outlive the tests either
#endif
    zsys_init ();
    zsys_handler_set (NULL);                //  signals do what they say
    zsys_set_max_sockets (0);               //  as many as the system allows
    //  Each actor turns CZMQ's log to stdout when it starts: keep the real one for ourselves
    answers = fdopen (dup (STDOUT_FILENO), "w");
    assert (answers);
    setvbuf (answers, NULL, _IOFBF, 1 << 16);
    dup2 (STDERR_FILENO, STDOUT_FILENO);

    int input = STDIN_FILENO;
    nodes = zhashx_new ();
    zhashx_set_destructor (nodes, s_node_destroy);
    poller = zpoller_new (&input, NULL);
    marked_at = s_now ();

    bool running = true;
    int timeout = -1;
    while (running) {
        if (zpoller_wait (poller, timeout) == &input)
            running = s_read_commands ();
        //  Wait for news only; come back at once where tuples are still to be published, soon where the pipe is full
        timeout = -1;
        for (node_t *node = zhashx_first (nodes); node; node = zhashx_next (nodes)) {
            s_node_drain (node);
            bool progress = s_node_publish (node);
            if (node->prefix && timeout != 0)
                timeout = progress? 0: 1;
        }
        fflush (answers);
    }
    zhashx_destroy (&nodes);
    zpoller_destroy (&poller);
    fputs ("- BYE\n", answers);
    fflush (answers);
    return 0;
}
