// Loaded before the suite. The servers it starts for clients name no address to listen on, which
// means all of them; here it means this machine. An address given to listen() would be looked up
// first, and the suite asks for the port at once, so it is put in further down.
import { Server } from "node:net";

const bind = Server.prototype._listen2;

Server.prototype._listen2 = function (address, port, family, ...rest) {
  const everywhere = !address && Number.isInteger(port) && port >= 0;
  return everywhere
    ? bind.call(this, "127.0.0.1", port, 4, ...rest)
    : bind.call(this, address, port, family, ...rest);
};
