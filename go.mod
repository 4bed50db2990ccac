module github.com/qwenvk/qwenvk

go 1.26.8
