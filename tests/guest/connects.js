// SPDX-License-Identifier: GPL-2.0-only
// connects.js HOST PORT TIMES - connects by node's loop; says errno and microseconds.
const net = require('net');
const [host, port, times] = process.argv.slice(2);

function connect(left) {
	if (!left)
		return;
	const begin = process.hrtime.bigint();
	const socket = net.connect(Number(port), host);
	const over = (error) => {
		const us = (process.hrtime.bigint() - begin) / 1000n;

		console.log(`${error ? -error.errno : 0} ${us}`);
		socket.destroy();
		connect(left - 1);
	};

	socket.once('connect', () => over(null));
	socket.once('error', over);
}

connect(Number(times));
