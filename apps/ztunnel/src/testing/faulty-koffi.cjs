// In place of koffi for the reactor; see `without-koffi.ts`.
const { env } = require('node:process');

if (env.ZTUNNEL_TEST_KOFFI === 'none') throw new Error("Cannot find module 'koffi'");

const koffi = require('koffi');

module.exports = {
  ...koffi,
  load: (path) => {
    const library = koffi.load(path);
    const call = library.func('syscall', 'long', ['long']);
    /** As on a kernel that does not know the call: -1, and errno is ENOSYS. */
    const absent = () => Number(call(-1));
    return { func: (name, ...rest) => (name.startsWith('epoll_') ? absent : library.func(name, ...rest)) };
  },
};
