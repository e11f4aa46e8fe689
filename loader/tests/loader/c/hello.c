#include <stdio.h>

static char space[70000];
int value = 42;

int main(int argc, char **argv) {
    space[argc] = (char)value;
    printf("%s %d\n", argv[0], space[argc]);
    return 0;
}
