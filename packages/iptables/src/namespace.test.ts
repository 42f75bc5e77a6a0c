import { expect, test } from 'vitest';
import { withNamespace } from './namespace.ts';

test.each([
  { ref: 'no-such-namespace', says: 'ENOENT (is /run/netns/no-such-namespace meant?)' },
  { ref: '/nonexistent/net', says: 'a path such as /run/netns/NAME or /proc/PID/ns/net)' },
  { ref: { fd: 99_999 }, says: 'fd 99999: ENOENT (was it removed' },
])('$ref is no namespace, and the error says what is', async ({ ref, says }) => {
  await expect(withNamespace(ref, () => Promise.resolve())).rejects.toMatchObject({
    code: 'IPTABLES_NAMESPACE_GONE',
    message: expect.stringContaining(says),
  });
});
