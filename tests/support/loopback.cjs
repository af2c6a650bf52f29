// Preloaded (node --require) into servers that would listen on every interface: makes them listen on 127.0.0.1 and
// print the port that the kernel chose, so that a test can ask for port 0.
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] === 'number' || typeof args[0] === 'string') {
    const callback = args.find((arg) => typeof arg === 'function');
    args = [{ port: Number(args[0]), host: '127.0.0.1' }, ...(callback ? [callback] : [])];
  } else if (args[0] && typeof args[0] === 'object' && 'port' in args[0]) {
    args[0] = { ...args[0], host: '127.0.0.1' };
  }
  this.once('listening', () => console.error(`loopback listening on ${this.address().port}`));
  return listen.apply(this, args);
};
