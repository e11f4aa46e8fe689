// A web server on port 80 by Go's own library: tells each client its path and how many bytes it sent, and serves the files of the
// image below /file. Used by the network's cases.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		bytes, err := io.Copy(io.Discard, request.Body)
		if err != nil {
			fmt.Fprintln(os.Stderr, "reading a request:", err)
		}
		fmt.Fprintf(response, "%s %d\n", request.URL.Path, bytes)
	})
	http.Handle("/file/", http.StripPrefix("/file/", http.FileServer(http.Dir("/"))))
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":80", nil))
	os.Exit(1)
}
