// Tells each client its path and how many bytes it sent, and sends a file that is asked for by its path behind /file.
// Run by node in the network's cases.
const fs = require('fs');
const http = require('http');

http.createServer((request, response) => {
    if (request.url.startsWith('/file/')) {
        fs.createReadStream(request.url.slice('/file'.length)).pipe(response);
        return;
    }
    let bytes = 0;
    request.on('data', (piece) => { bytes += piece.length; });
    request.on('end', () => response.end(`${request.url} ${bytes}\n`));
}).listen(80);
