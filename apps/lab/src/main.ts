/** The command line of the lab; filled in by a next commit. */
import process from 'node:process';

process.exitCode = 1;
