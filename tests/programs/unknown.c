// System calls that no kernel knows, each twice.
#include "show.h"

int main(void) {
    for (int i = 0; i < 2; i++) {
        show("999", RAW(999, 1, 2, 3, 4, 5, 6));
        show("400", RAW(400, 1, 2, 3, 4, 5, 6));
        show("-2", RAW(-2, 1, 2, 3, 4, 5, 6));
        show("0x40000000 | 39", RAW(0x40000000 | 9999, 0, 0, 0, 0, 0, 0));
    }
    return 0;
}
