#include "cli/options.h"

int main(int argc, char **argv)
{
    return btz_cli_main(argc, argv);
}
