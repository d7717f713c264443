package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
)

// What is not built yet. Each goes with the change that brings the real one.

func notBuilt(method string) error { return refuse(unsupported, nil, "%s is not served", method) }

func (permissions) ImportBulkRelationships(grpc.ClientStreamingServer[v1.ImportBulkRelationshipsRequest, v1.ImportBulkRelationshipsResponse]) error {
	return notBuilt("ImportBulkRelationships")
}
func (permissions) ExportBulkRelationships(*v1.ExportBulkRelationshipsRequest, grpc.ServerStreamingServer[v1.ExportBulkRelationshipsResponse]) error {
	return notBuilt("ExportBulkRelationships")
}
func (experimental) BulkImportRelationships(grpc.ClientStreamingServer[v1.BulkImportRelationshipsRequest, v1.BulkImportRelationshipsResponse]) error {
	return notBuilt("BulkImportRelationships")
}
func (experimental) BulkExportRelationships(*v1.BulkExportRelationshipsRequest, grpc.ServerStreamingServer[v1.BulkExportRelationshipsResponse]) error {
	return notBuilt("BulkExportRelationships")
}
