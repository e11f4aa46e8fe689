// Flow control of a terminal's output: by what is typed (IXON, IXANY), by the program (tcflow), and what waits meanwhile.
// The terminal is standard input if that is one, otherwise a new pseudo-terminal. What the terminal was given is printed first,
// then what was found.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>

enum { STOP = 0x13, START = 0x11, INTR = 3 };

static char found[8192];
static size_t length;
static int tty, master = -1;
static struct termios now;

static void note(const char *what, long result) {
    length += snprintf(found + length, sizeof found - length, "%s: ", what);
    if (result < 0)
        length += snprintf(found + length, sizeof found - length, "%s\n", error_name(errno));
    else
        length += snprintf(found + length, sizeof found - length, "%ld\n", result);
}

static void type(char byte) {
    if (master >= 0)
        write(master, &byte, 1);
    else
        ioctl(tty, TIOCSTI, &byte);
}

static int can(int events, int ms) {
    struct pollfd p = {tty, events, 0};
    poll(&p, 1, ms);
    return !!(p.revents & events);
}

// A pseudo-terminal takes in what is typed some time later.
static void becomes(const char *what, int writable) {
    for (int i = 0; i < 5000 && can(POLLOUT, 0) != writable; i++)
        nanosleep(&(struct timespec){0, 1000000}, 0);
    note(what, can(POLLOUT, 0));
}

static void gets_byte(const char *what) {
    unsigned char byte = 0;
    can(POLLIN, 5000);
    fcntl(tty, F_SETFL, O_RDWR | O_NONBLOCK);
    long n = read(tty, &byte, 1);
    fcntl(tty, F_SETFL, O_RDWR);
    note(what, n < 0 ? n : byte);
}

static void try_to_write(const char *what, const char *text) {
    fcntl(tty, F_SETFL, O_RDWR | O_NONBLOCK);
    note(what, write(tty, text, strlen(text)));
    fcntl(tty, F_SETFL, O_RDWR);
}

static void set(unsigned input, unsigned local) {
    now.c_iflag = input;
    now.c_oflag = 0;
    now.c_lflag = local;
    now.c_cc[VMIN] = 1;
    tcsetattr(tty, TCSANOW, &now);
}

static void nothing(int signal) { (void)signal; }
static void lets_go(int signal) { (void)signal; ioctl(tty, TCXONC, TCOON); }

static void *later(void *unused) {
    nanosleep(&(struct timespec){0, 50000000}, 0);
    ioctl(tty, TCXONC, TCOON);
    return unused;
}

static void interrupted_write(const char *what, void (*handler)(int), int flags, const char *text) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 50000}, {0, 50000}}, 0);
    long n = write(tty, text, strlen(text));
    int error = errno;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, 0);
    errno = error;
    note(what, n);
}

static void by_the_program(void) {
    pthread_t thread;
    note("write", write(tty, "a", 1));
    note("TCOOFF", ioctl(tty, TCXONC, TCOOFF));
    becomes("writable", 0);
    try_to_write("without waiting", "?");
    interrupted_write("interrupted", nothing, 0, "?");
    type(START);
    type('x');
    gets_byte("typed");
    becomes("still writable", 0);
    note("TCOON", ioctl(tty, TCXONC, TCOON));
    becomes("writable", 1);
    note("write", write(tty, "b", 1));
    ioctl(tty, TCXONC, TCOOFF);
    interrupted_write("started by a handler", lets_go, SA_RESTART, "cd");
    ioctl(tty, TCXONC, TCOOFF);
    pthread_create(&thread, 0, later, 0);
    note("started by a thread", write(tty, "efg", 3));
    pthread_join(thread, 0);
    note("TCIOFF", ioctl(tty, TCXONC, TCIOFF));
    note("TCION", ioctl(tty, TCXONC, TCION));
    note("unknown", ioctl(tty, TCXONC, 77));
    note("flush input", ioctl(tty, TCFLSH, TCIFLUSH));
    note("flush unknown", ioctl(tty, TCFLSH, 77));
}

static void by_typing(void) {
    int waiting = -1;
    type(STOP);
    becomes("stopped", 0);
    try_to_write("without waiting", "?");
    note("TCOON", ioctl(tty, TCXONC, TCOON));
    becomes("not by that", 0);
    ioctl(tty, TCXONC, TCOOFF);
    ioctl(tty, TCXONC, TCOON);
    becomes("by both", 1);
    type(STOP);
    becomes("stopped", 0);
    type(START);
    becomes("started", 1);
    type('y');
    gets_byte("only what is no command is input");
    note("write", write(tty, "h", 1));
    type(STOP);
    becomes("stopped", 0);
    type('n');
    gets_byte("anything typed");
    becomes("does not start it", 0);
    set(IXON | IXANY, ISIG | NOFLSH);
    type('z');
    gets_byte("anything typed");
    becomes("starts it with IXANY", 1);
    set(IXON, ISIG | NOFLSH);
    type(STOP);
    becomes("stopped", 0);
    type(INTR);
    becomes("started by a signal", 1);
    type(STOP);
    becomes("stopped", 0);
    set(0, ISIG | NOFLSH);
    becomes("started without IXON", 1);
    type(STOP);
    gets_byte("then it is input");
    set(IXON, ISIG | NOFLSH | ECHO);
    type(STOP);
    becomes("stopped", 0);
    type('e');
    gets_byte("typed");
    type(START);
    becomes("started", 1);
    set(IXON, 0);
    note("write", write(tty, "i", 1));
    type('q');
    can(POLLIN, 5000);
    ioctl(tty, FIONREAD, &waiting);
    note("waiting", waiting);
    tcflush(tty, TCIFLUSH);
    ioctl(tty, FIONREAD, &waiting);
    note("flushed", waiting);
}

int main(void) {
    char c = 0;
    signal(SIGINT, SIG_IGN);
    if (isatty(0)) {
        tty = open("/dev/tty", O_RDWR);
    } else {
        master = posix_openpt(O_RDWR | O_NOCTTY);
        grantpt(master);
        unlockpt(master);
        tty = master < 0 ? -1 : open(ptsname(master), O_RDWR | O_NOCTTY);
    }
    if (tty < 0)
        return 1;
    tcgetattr(tty, &now);
    note("on at first", !!(now.c_iflag & IXON));
    set(IXON, ISIG | NOFLSH);
    // First, for a pseudo-terminal loses what the other side has not read yet.
    note("flush output", ioctl(tty, TCFLSH, TCOFLUSH));
    write(tty, "<", 1);
    by_the_program();
    by_typing();
    write(tty, ">\n", 2);
    while (master >= 0 && c != '\n')
        if (read(master, &c, 1) == 1)
            write(1, &c, 1);
    write(1, found, length);
    return 0;
}
