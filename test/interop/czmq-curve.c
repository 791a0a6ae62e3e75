/*
 *  czmq-curve: certificates and CURVE sockets of real CZMQ and libzmq, one thing a run. Answers are lines on stdout.
 *
 *      make FILE                       a new certificate: zcert_save to FILE and FILE_secret; its public key
 *      show FILE                       zcert_load: public key, secret key, metadata "name" (- where there is none)
 *      client ENDPOINT FILE KEY        a DEALER with the certificate FILE asks the server with the public KEY: HELLO,
 *                                      PING; each answer as hex up to PONG, or TIMEOUT after a second
 *      server ENDPOINT FILE DIRECTORY  a ROUTER with the certificate FILE, to which zauth admits who has a certificate
 *                                      in DIRECTORY: PORT n, then each message as hex; a PING gets its PONG; until
 *                                      stdin ends
 */
#include <czmq.h>
#include <poll.h>

static const byte hello [] = { 0xAA, 0xA0, 1, 1 };
static const byte ping [] = { 0xAA, 0xA0, 3, 1 };
static const byte pong [] = { 0xAA, 0xA0, 4, 1 };

static void
s_print (zframe_t *frame)
{
    char *hex = zframe_strhex (frame);
    puts (hex);
    zstr_free (&hex);
}

static zcert_t *
s_load (const char *file)
{
    zcert_t *cert = zcert_load (file);
    if (!cert) {
        puts ("REFUSED");
        exit (1);
    }
    return cert;
}

static void
s_client (const char *endpoint, const char *file, const char *key)
{
    zcert_t *cert = s_load (file);
    zsock_t *dealer = zsock_new (ZMQ_DEALER);
    zcert_apply (cert, dealer);
    zsock_set_curve_serverkey (dealer, key);
    zsock_set_rcvtimeo (dealer, 1000);
    zsock_set_linger (dealer, 0);
    if (zsock_connect (dealer, "%s", endpoint) == 0) {
        zsock_send (dealer, "b", hello, sizeof (hello));
        zsock_send (dealer, "b", ping, sizeof (ping));
        while (true) {
            zframe_t *frame = zframe_recv (dealer);
            if (!frame) {
                puts ("TIMEOUT");
                break;
            }
            s_print (frame);
            bool last = zframe_size (frame) >= 4 && zframe_data (frame) [2] == 4;
            zframe_destroy (&frame);
            if (last)
                break;
        }
    }
    zsock_destroy (&dealer);
    zcert_destroy (&cert);
}

static void
s_server (const char *endpoint, const char *file, const char *directory)
{
    zcert_t *cert = s_load (file);
    zactor_t *auth = zactor_new (zauth, NULL);
    zstr_sendx (auth, "CURVE", directory, NULL);
    zsock_wait (auth);
    zsock_t *router = zsock_new (ZMQ_ROUTER);
    zsock_set_zap_domain (router, "global");
    zcert_apply (cert, router);
    zsock_set_curve_server (router, 1);
    printf ("PORT %d\n", zsock_bind (router, "%s", endpoint));
    struct pollfd input = { .fd = 0, .events = POLLIN };
    while (true) {
        //  Nothing is ever written to us: what can be read is the end.
        if (poll (&input, 1, 0) > 0)
            break;
        zsock_set_rcvtimeo (router, 50);
        zmsg_t *message = zmsg_recv (router);
        if (!message)
            continue;
        zframe_t *peer = zmsg_pop (message);
        zframe_t *frame = zmsg_pop (message);
        if (frame) {
            s_print (frame);
            if (zframe_size (frame) >= 4 && zframe_data (frame) [2] == 3)
                zsock_send (router, "fb", peer, pong, sizeof (pong));
        }
        zframe_destroy (&frame);
        zframe_destroy (&peer);
        zmsg_destroy (&message);
    }
    zsock_destroy (&router);
    zactor_destroy (&auth);
    zcert_destroy (&cert);
}

int
main (int argc, char *argv [])
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    zsys_set_logsystem (false);
    if (argc == 3 && streq (argv [1], "make")) {
        zcert_t *cert = zcert_new ();
        zcert_set_meta (cert, "name", "made by CZMQ");
        if (zcert_save (cert, argv [2]))
            return 1;
        puts (zcert_public_txt (cert));
        zcert_destroy (&cert);
    }
    else
    if (argc == 3 && streq (argv [1], "show")) {
        zcert_t *cert = s_load (argv [2]);
        const char *name = zcert_meta (cert, "name");
        printf ("%s\n%s\n%s\n", zcert_public_txt (cert), zcert_secret_txt (cert), name? name: "-");
        zcert_destroy (&cert);
    }
    else
    if (argc == 5 && streq (argv [1], "client"))
        s_client (argv [2], argv [3], argv [4]);
    else
    if (argc == 5 && streq (argv [1], "server"))
        s_server (argv [2], argv [3], argv [4]);
    else
        return 2;
    return 0;
}
