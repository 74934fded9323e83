// page.js HOST PORT - prints the front page of a web server, by node.
const [host, port] = process.argv.slice(2);

require('http').get({ host, port, path: '/' }, (answer) => {
	answer.pipe(process.stdout);
}).on('error', (error) => {
	console.error(error.code === 'EACCES' ? `permission denied: ${error.message}` : error.message);
	process.exitCode = 1;
});
